import { expect, test } from "bun:test";
import { overlap, parseRange, type Range } from "./ipv4.ts";
import { addressIn, hostsPerNetwork, networkPlan } from "./plan.ts";

const supernet = parseRange("10.208.0.0/20") as Range;

test("networks are numbered from 1 to the end of the range, and do not overlap", () => {
  expect(networkPlan(supernet, 0)).toBeUndefined();
  expect(networkPlan(supernet, 1)).toEqual({ subnet: "10.208.1.0/24", gateway: "10.208.1.1" });
  expect(networkPlan(supernet, 15)).toEqual({ subnet: "10.208.15.0/24", gateway: "10.208.15.1" });
  expect(networkPlan(supernet, 16)).toBeUndefined();
  const ranges = Array.from({ length: 15 }, (_, at) => {
    return parseRange(networkPlan(supernet, at + 1)?.subnet ?? "") as Range;
  });
  for (const one of ranges) {
    expect(overlap(one, supernet)).toBe(true);
    expect(ranges.filter((other) => overlap(one, other))).toEqual([one]);
  }
});

test("the places of a network are its addresses from 2 to 254", () => {
  expect(addressIn("10.208.1.0/24", 0)).toBe("10.208.1.2");
  expect(addressIn("10.208.1.0/24", hostsPerNetwork - 1)).toBe("10.208.1.254");
});
