import { expect, test } from "bun:test";
import { goDuration } from "./go-duration.ts";

test.each([
  [0, "0s"],
  [0.9, "0s"],
  [1, "1ms"],
  [999.9, "999ms"],
  [1000, "1s"],
  [1500, "1.5s"],
  [59_999, "59.999s"],
  [60_000, "1m0s"],
  [61_010, "1m1.01s"],
  [3_600_000, "1h0m0s"],
  [90_061_001, "25h1m1.001s"],
])("%d ms is %s", (milliseconds, text) => {
  expect(goDuration(milliseconds)).toBe(text);
});
