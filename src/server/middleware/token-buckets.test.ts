import { expect, test } from "bun:test";
import { systemClock } from "../../async/clock.ts";
import { TokenBuckets } from "./token-buckets.ts";

const still = { ...systemClock, steady: () => 0 };

test("a burst, then one at a time as they come back", () => {
  let now = 0;
  const clock = { ...systemClock, steady: () => now };
  const buckets = new TokenBuckets({ perMinute: 60, burst: 2 }, clock);
  expect([buckets.take("a"), buckets.take("a")]).toEqual([0, 0]);
  expect(buckets.take("a")).toBe(1);
  now = 500;
  expect(buckets.take("a")).toBe(0.5);
  now = 1000;
  expect(buckets.take("a")).toBe(0);
  now = 1_000_000;
  expect([buckets.take("a"), buckets.take("a")]).toEqual([0, 0]);
  expect(buckets.take("a")).toBeGreaterThan(0);
});

test("each key has its own", () => {
  const buckets = new TokenBuckets({ perMinute: 1, burst: 1 }, still);
  expect([buckets.take("a"), buckets.take("b")]).toEqual([0, 0]);
});

test("the one that was not used for longest is forgotten", () => {
  const buckets = new TokenBuckets({ perMinute: 1, burst: 1 }, still, 2);
  for (const key of ["a", "b", "a", "c"]) buckets.take(key);
  expect(buckets.size).toBe(2);
  expect(buckets.take("a")).toBeGreaterThan(0);
  expect(buckets.take("b")).toBe(0);
});
