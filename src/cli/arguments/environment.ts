/** `--env KEY=VALUE,KEY=VALUE`, where a value may have commas too. */
import { pairs } from "./flags.ts";

/** What follows a comma that separates: another pair, or nothing. */
const boundary = "(?=[A-Za-z_]\\w*=|$)";
const separator = new RegExp(`(?<!\\\\),+${boundary}`);
const escaped = new RegExp(`\\\\,${boundary}`, "g");

export function environment(whose: string, words: { short?: string } = {}) {
  const rule = "Only a comma before KEY= starts another pair, and not as \\,";
  return pairs(`${whose}; can be repeated. ${rule}`, {
    placeholder: "KEY=VALUE,...",
    split: (written) => written.split(separator).map((pair) => pair.replace(escaped, ",")),
    ...words,
  });
}
