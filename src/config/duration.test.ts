import { expect, test } from "bun:test";
import { formatDuration, parseDuration } from "./duration.ts";

test.each<[string, number]>([
  ["30s", 30],
  ["5m", 300],
  ["2h", 7200],
  ["1d", 86_400],
  ["365d", 31_536_000],
  ["45", 45],
  ["007", 7],
  ["0", 0],
  ["0s", 0],
  ["never", 0],
])("%s is %d seconds", (written, seconds) => {
  expect(parseDuration(written)).toBe(seconds);
});

test.each([
  "",
  "s",
  "m",
  "5 m",
  " 5m",
  "5M",
  "5ms",
  "1h30m",
  "1.5h",
  "-5m",
  "+5",
  "1e3",
  "0x10",
  "Never",
  "toString",
  "366d",
  "31536001",
  "99999999999999999999",
])("%j is no duration", (written) => {
  expect(parseDuration(written)).toBeUndefined();
});

test.each([
  [0, "never"],
  [1, "1s"],
  [59, "59s"],
  [60, "1m"],
  [90, "90s"],
  [5400, "90m"],
  [7200, "2h"],
  [86_400, "1d"],
])("%d seconds are written %s", (seconds, written) => {
  expect(formatDuration(seconds)).toBe(written);
  expect(parseDuration(written)).toBe(seconds);
});
