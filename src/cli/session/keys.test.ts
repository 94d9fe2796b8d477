import { expect, test } from "bun:test";
import { readKeys } from "./keys.ts";

const typed = (text: string) => {
  const { keys, detaches, interrupts } = readKeys(new TextEncoder().encode(text));
  return { keys: new TextDecoder().decode(keys), detaches, interrupts };
};

test.each([
  ["ls\r", "ls\r", false, false],
  ["\x1c", "", true, false],
  ["ls\x1cmore", "ls", true, false],
  ["a\x03", "a\x03", false, true],
  ["\x1b[27;5;92~", "", true, false],
  ["x\x1b[92;5u", "x", true, false],
  ["\x1b[92;5:1u", "", true, false],
  ["\x1b[A\x1b[92u", "\x1b[A\x1b[92u", false, false],
  ["\\ü", "\\ü", false, false],
])("%j", (text, keys, detaches, interrupts) => {
  expect(typed(text)).toEqual({ keys, detaches, interrupts });
});
