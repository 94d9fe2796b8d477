import { expect, test } from "bun:test";
import { commands, flags } from "./other-tools.ts";
import { type Entry, entries } from "./program.ts";

function entryOf(words: readonly string[]): Entry | undefined {
  const [first, second] = words;
  const entry = entries.find(({ name }) => name === first);
  return entry?.commands?.find(({ name }) => name === second) ?? entry;
}

test.each(Object.entries(commands))("%s is no command, and its hint names one", (words, hint) => {
  const path = words.split(" ");
  expect(entryOf(path)?.name).not.toBe(path.at(-1));
  for (const [, command = ""] of hint.matchAll(/bhatti (\w+( \w+)?)/g)) {
    expect(entryOf(command.split(" "))).toBeDefined();
  }
});

test.each(Object.keys(flags))("%s is a flag that its command does not have", (words) => {
  const path = words.split(" ");
  const flag = path.pop() ?? "";
  const command = entryOf(path)?.command;
  expect(command).toBeDefined();
  const has = Object.entries(command?.flags ?? {}).flatMap(([name, { short }]) => [
    `--${name}`,
    `-${short}`,
  ]);
  expect(has).not.toContain(flag);
});
