/** `--env KEY=VALUE,KEY=VALUE`, where a value may have commas too. */
import { pairs } from "./flags.ts";

/** What follows a comma that separates: another pair, or nothing. */
const boundary = "(?=[A-Za-z_]\\w*=|$)";
const separator = new RegExp(`(?<!\\\\),+${boundary}`);
const escaped = new RegExp(`\\\\,${boundary}`, "g");

export function environment(summary: string, words: { short?: string } = {}) {
  return pairs(`${summary} (repeatable; write \\, for a comma before KEY=)`, {
    placeholder: "KEY=VALUE,...",
    split: (written) => written.split(separator).map((pair) => pair.replace(escaped, ",")),
    ...words,
  });
}
