/** What hints call `<sandbox>` and the like, once it is known which one is meant. */
import type { Command } from "./command.ts";
import type { ParsedWords } from "./parse.ts";

/** By the word between the brackets. */
export type Names = Map<string, string>;

/** What a shell takes as it is: anything else would need quotes, and there the placeholder is clearer. */
const plain = /^[\w@%+=:,./][\w@%+=:,./-]*$/;

/** What was said for a command's arguments, and for its flags, by the words that its help has for them. */
export function namesIn(words: ParsedWords, { arguments: wanted, flags }: Command): Names {
  const names: Names = new Map();
  for (const [flag, written] of words.flags) {
    const word = flags[flag]?.placeholder;
    if (word) names.set(word, written.at(-1) ?? "");
  }
  for (const [index, word] of wanted.entries()) names.set(word, words.positional[index] ?? "");
  return names;
}

export function withNames(hint: string, names: Names): string {
  return hint.replace(/<(\w+)>/g, (placeholder, word: string) => {
    const name = names.get(word) ?? "";
    return plain.test(name) ? name : placeholder;
  });
}
