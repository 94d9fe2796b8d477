import { expect, test } from "bun:test";
import { formatAddress, formatRange, overlap, parseAddress, parseRange } from "./ipv4.ts";

test.each(["0.0.0.0", "10.208.1.2", "128.0.0.1", "255.255.255.255"])("%s", (text) => {
  const address = parseAddress(text);
  expect(address).toBeDefined();
  expect(formatAddress(address ?? 0)).toBe(text);
});

test.each([
  "",
  "10.0.0",
  "10.0.0.0.0",
  "10.0.0.256",
  "10.0.0.01",
  "10.0.0.-1",
  "a.b.c.d",
  " 10.0.0.1",
])("%j is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test.each(["0.0.0.0/0", "10.0.0.0/8", "192.168.128.0/17", "10.0.0.1/32"])("%s", (text) => {
  const range = parseRange(text);
  expect(range && formatRange(range)).toBe(text);
});

test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.1/24", "10.0.0.0/8/8", "10.0.0/8", "10.0.0.0/-1"])(
  "%j is no range",
  (text) => {
    expect(parseRange(text)).toBeUndefined();
  },
);

test.each([
  ["10.0.0.0/8", "10.255.255.0/24", true],
  ["10.0.0.0/8", "11.0.0.0/8", false],
  ["10.208.1.0/24", "10.208.2.0/24", false],
  ["0.0.0.0/0", "255.255.255.255/32", true],
])("%s and %s overlap: %p", (one, other, expected) => {
  const [first, second] = [parseRange(one), parseRange(other)];
  if (!first || !second) throw new Error("no ranges");
  expect([overlap(first, second), overlap(second, first)]).toEqual([expected, expected]);
});
