import { expect, test } from "bun:test";
import { list, text, toggle } from "./arguments/flags.ts";
import { command } from "./command.ts";
import { namesIn, withNames } from "./names.ts";

const push = command({
  arguments: ["sandbox", "path"],
  flags: {
    as: text("", { placeholder: "name" }),
    volume: list("", { placeholder: "volume" }),
    force: toggle(""),
  },
  run: async () => undefined,
});

const hint = "push <sandbox> <local> <path> --as <name>";

test.each<[string, string[], Record<string, string[]>, string]>([
  ["all that was said", ["dev", "a/b"], { as: ["x", "y"] }, "push dev <local> a/b --as y"],
  ["nothing before there is something", [], { force: ["true"] }, hint],
  ["what was said until it failed", ["dev"], {}, "push dev <local> <path> --as <name>"],
  ["no name that needs quotes", ["dev", "my file"], {}, "push dev <local> <path> --as <name>"],
  ["no name like a flag", ["dev", "-rf"], {}, "push dev <local> <path> --as <name>"],
  ["nothing that moves a cursor", ["\u001b[2J", "b"], {}, "push <sandbox> <local> b --as <name>"],
])("a hint names %s", (_what, positional, flags, words) => {
  const names = namesIn({ positional, flags: new Map(Object.entries(flags)) }, push);
  expect(withNames(hint, names)).toBe(words);
});
