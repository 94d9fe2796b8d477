/**
 * Words of a command line → flags and positional words, by the rules that docker and kubectl users know: flags anywhere
 * before `--`, `--flag=value`, `-o wide`, `-owide`, `-it`. No library: the best of them adds 7 ms to a start of 6.
 */
import type { Flags, WrittenFlags } from "./command.ts";
import { UsageError } from "./usage-error.ts";

export interface ParsedWords {
  positional: string[];
  flags: WrittenFlags;
}

export interface Bounds {
  /** Parse until the first word that is no flag; `rest` is it and what follows. */
  stopAtWord?: boolean;
  /** After so many words those of another program begin, whose short flags would be taken for our own. */
  argumentCount?: number;
}

export function parseWords(
  words: readonly string[],
  flags: Flags,
  { stopAtWord = false, argumentCount = Number.POSITIVE_INFINITY }: Bounds = {},
): ParsedWords & { rest: readonly string[] } {
  const positional: string[] = [];
  const said = { positional, flags: new Map<string, string[]>() };
  let index = 0;
  while (index < words.length) {
    const word = words[index] ?? "";
    if (word === "--") {
      positional.push(...words.slice(index + 1));
      break;
    }
    if (!isFlag(word)) {
      if (stopAtWord) return { ...said, rest: words.slice(index) };
      positional.push(word);
      index += 1;
      continue;
    }
    if (positional.length > argumentCount && !word.startsWith("--")) {
      const { name } = splitShort(word, flags);
      throw new UnknownFlag(word, name, said, name ? "misplaced" : "unknown");
    }
    index += readFlag(words, index, flags, said);
  }
  return { ...said, rest: [] };
}

function isFlag(word: string): boolean {
  return word.length > 1 && word.startsWith("-");
}

/** Reads the flag at `index`, adds it to what was said, and returns how many words it took. */
function readFlag(
  words: readonly string[],
  index: number,
  flags: Flags,
  said: ParsedWords & { flags: Map<string, string[]> },
): number {
  const word = words[index] ?? "";
  const { name, attached } = word.startsWith("--") ? splitLong(word) : splitShort(word, flags);
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (!flag) throw new UnknownFlag(word, name, said);
  const found = (value: string) => said.flags.set(name, [...(said.flags.get(name) ?? []), value]);
  if (!flag.placeholder) {
    const isAlone = word.startsWith("--") || word[2] === "=";
    if (!isAlone && attached !== undefined) {
      found("true"); // -nt is -n -t
      return readFlag(words.with(index, `-${attached}`), index, flags, said);
    }
    found(readSwitch(name, attached));
    return 1;
  }
  const value = attached ?? words[index + 1];
  if (value === undefined) throw new UsageError(`--${name} needs a value`);
  found(value);
  return attached === undefined ? 2 : 1;
}

function splitLong(word: string) {
  const at = word.indexOf("=");
  return at < 0
    ? { name: word.slice(2), attached: undefined }
    : { name: word.slice(2, at), attached: word.slice(at + 1) };
}

function splitShort(word: string, flags: Flags) {
  const letter = word.slice(1, 2);
  const name = Object.keys(flags).find((key) => flags[key]?.short === letter) ?? "";
  const attached = word.slice(2).replace(/^=/, "");
  return { name, attached: attached === "" ? undefined : attached };
}

function readSwitch(name: string, attached: string | undefined): string {
  if (attached === undefined || attached === "true" || attached === "false") {
    return attached ?? "true";
  }
  throw new UsageError(`--${name} must be true or false, got "${attached}"`);
}

/** A flag that this command does not have, or not there; the program adds what the user may have meant. */
export class UnknownFlag extends UsageError {
  readonly flag: string;
  /** As written, without its value: `-f` or `--force`. */
  readonly written: string;
  /** What stands in front of it. */
  readonly before: ParsedWords;

  constructor(
    word: string,
    name: string,
    before: ParsedWords,
    problem: "unknown" | "misplaced" = "unknown",
  ) {
    super(`${problem} flag "${word}"`);
    this.flag = name;
    this.written = word.startsWith("--") ? `--${name}` : word.slice(0, 2);
    this.before = before;
  }
}
