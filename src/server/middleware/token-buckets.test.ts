import { expect, test } from "bun:test";
import { TokenBuckets } from "./token-buckets.ts";

test("a burst, then one at a time as they come back", () => {
  let now = 0;
  const buckets = new TokenBuckets({ perMinute: 60, burst: 2 }, 10, () => now);
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
  const buckets = new TokenBuckets({ perMinute: 1, burst: 1 }, 10, () => 0);
  expect([buckets.take("a"), buckets.take("b")]).toEqual([0, 0]);
});

test("the one that was not used for longest is forgotten", () => {
  const buckets = new TokenBuckets({ perMinute: 1, burst: 1 }, 2, () => 0);
  for (const key of ["a", "b", "a", "c"]) buckets.take(key);
  expect(buckets.size).toBe(2);
  expect(buckets.take("a")).toBeGreaterThan(0);
  expect(buckets.take("b")).toBe(0);
});
