import { expect, test } from "bun:test";
import { mayBecome } from "./sandbox-states.ts";

test("a sandbox that was made is never being made again", () => {
  expect(mayBecome("creating", "running")).toBeTrue();
  expect(mayBecome("creating", "stopped")).toBeFalse();
  for (const status of ["running", "stopped", "unknown"] as const) {
    expect(mayBecome(status, "creating")).toBeFalse();
    expect(mayBecome(status, status)).toBeTrue();
  }
});
