import { expect, test } from "bun:test";
import fc from "fast-check";
import { jsonPieces, LongText, sizeOf } from "./json-pieces.ts";

const joined = (value: unknown) => [...jsonPieces(value)].join("");

test("pieces of JSON join to what JSON.stringify gives", () => {
  const long = fc
    .tuple(fc.string({ unit: "binary", maxLength: 8 }), fc.integer({ min: 0, max: 9000 }))
    .map(([text, times]) => text.repeat(times));
  const leaf = fc.oneof(long, fc.string({ unit: "binary" }), fc.double(), fc.constant(null));
  const value = fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.string(), fc.array(leaf)));
  fc.assert(
    fc.property(value, (given) => {
      expect(joined(given)).toBe(JSON.stringify(given));
    }),
    { numRuns: 200 },
  );
});

test("a long string and a long list come in pieces of bounded size", () => {
  const value = { text: "\u0001".repeat(1_000_000), list: Array(10_000).fill("\u0001".repeat(99)) };
  const longest = Math.max(...[...jsonPieces(value)].map((piece) => piece.length));
  expect(longest).toBeLessThanOrEqual(6 * 8192);
  expect(JSON.parse(joined(value))).toEqual(value);
});

test("absent fields are left out", () => {
  const value = { a: undefined, b: "x".repeat(20_000), c: undefined, d: 1 };
  expect(joined(value)).toBe(JSON.stringify(value));
});

test("text that is made while it is sent is one string, short or long", () => {
  for (const times of [1, 10_000]) {
    const text = new LongText(6 * times, () => Array(times).fill('a"\n😀'));
    expect(JSON.parse(joined({ text, exit_code: 0 }))).toEqual({
      text: 'a"\n😀'.repeat(times),
      exit_code: 0,
    });
    expect(sizeOf({ text })).toBeGreaterThanOrEqual(6 * times);
  }
});
