import { expect, test } from "bun:test";
import { bytesOfLastLines, startOfLastLines } from "./log-tail.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ["a\nb\nc\n", 1, "c\n"],
  ["a\nb\nc\n", 2, "b\nc\n"],
  ["a\nb\nc\n", 3, "a\nb\nc\n"],
  ["a\nb\nc\n", 9, "a\nb\nc\n"],
  ["a\nb", 1, "b"],
  ["a\n\n", 1, "\n"],
  ["a\n", 0, ""],
  ["", 1, ""],
])("%j, %d lines", (text, lines, last) => {
  expect(text.slice(startOfLastLines(bytes(text), lines))).toBe(last);
});

test("more and more is read until the lines are there", async () => {
  const log = bytes(`${"x".repeat(99)}\n`.repeat(10_000));
  const asked: number[] = [];
  const read = async function* (count: number) {
    asked.push(count);
    yield log.subarray(Math.max(0, log.length - count));
  };
  expect(await bytesOfLastLines(2000, read)).toBe(200_000);
  expect(asked).toEqual([65_536, 524_288]);
  expect(await bytesOfLastLines(10_001, read)).toBeUndefined();
});
