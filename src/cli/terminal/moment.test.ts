import { expect, test } from "bun:test";
import { future, past, soon, withoutMilliseconds } from "./moment.ts";

const now = Date.parse("2026-01-02T10:09:12.000Z");

test.each([
  ["2026-01-02T10:09:12.345Z", "0 s ago (2026-01-02T10:09:12Z)"],
  ["2026-01-02T10:08:13.000Z", "59 s ago (2026-01-02T10:08:13Z)"],
  ["2026-01-02T10:04:00Z", "5 min ago (2026-01-02T10:04:00Z)"],
  ["2026-01-01T09:09:12.000Z", "25 h ago (2026-01-01T09:09:12Z)"],
  ["2025-12-30T10:09:12.000Z", "3 days ago (2025-12-30T10:09:12Z)"],
])("%s is past", (at, words) => expect(past(at, now)).toBe(words));

test("what is to come", () => {
  expect(soon("2026-01-02T10:09:24.500Z", now)).toBe("in 12 s (10:09:24Z)");
  expect(soon("2026-01-03T10:09:12.000Z", now)).toBe("in 24 h (2026-01-03T10:09:12Z)");
  expect(future("2026-01-02T12:09:12.000Z", now)).toBe("in 2 h (2026-01-02T12:09:12Z)");
  expect(future(undefined, now)).toBeUndefined();
});

test("times within a text", () => {
  const text = "idle since 2026-01-02T10:09:24.123Z, version 1.234Z";
  expect(withoutMilliseconds(text)).toBe("idle since 2026-01-02T10:09:24Z, version 1.234Z");
});
