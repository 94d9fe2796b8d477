/** One run of the program: words → command → exit code, and any error → words. */

import { hasBytes } from "../contract/byte-text.ts";
import type { PlannedFeature } from "../contract/planned.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { Command } from "./command.ts";
import { type Context, openContext } from "./context.ts";
import { failureFor } from "./failure.ts";
import { type Names, namesIn, withNames } from "./names.ts";
import { parseWords, UnknownFlag } from "./parse.ts";
import { type Entry, entries, groups } from "./program.ts";
import { type GlobalFlags, globalFlags } from "./settings.ts";
import type { System } from "./system.ts";
import { UsageError } from "./usage-error.ts";

/** Runs the command that the words name, and returns the exit code. Never throws. */
export async function run(words: readonly string[], system: System): Promise<number> {
  const outcome: Outcome = { names: new Map(), failureExitCode: 1 };
  try {
    return await dispatch(words, system, outcome);
  } catch (error) {
    const { exitCode, text } = failureFor(error, wantsJson(words), outcome.names);
    await system.stderr.write(text).catch(() => {}); // stderr is closed
    return exitCode ?? outcome.failureExitCode;
  }
}

/** Facts about a command line for the report of its failure. */
interface Outcome {
  names: Names;
  failureExitCode: number;
}

/** Flags that could not be parsed still say how the error about them is to be told. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? words.length : end).includes("--json");
}

interface Found {
  path: readonly string[];
  entry: Entry | undefined;
  /** Global flags that stand before and between the names. */
  before: readonly string[];
  after: readonly string[];
}

async function dispatch(
  words: readonly string[],
  system: System,
  outcome: Outcome,
): Promise<number> {
  const found = await findEntry(words);
  const { entry, path } = found;
  if (entry?.planned) throw await notYet(path, entry.planned);
  const loaded = entry?.command;
  if (!entry || !loaded) return await showOverview(found, system, outcome);
  outcome.failureExitCode = loaded.failureExitCode?.(found.after, system.env) ?? 1;
  try {
    return await runCommand(found, entry, loaded, system, outcome.names);
  } catch (error) {
    throw await withUsage(error, path, loaded);
  }
}

async function runCommand(
  { path, before, after }: Found,
  entry: Entry,
  loaded: Command,
  system: System,
  names: Names,
): Promise<number> {
  const bounds = loaded.restIsCommand ? { argumentCount: loaded.arguments.length } : {};
  const flagSet = { ...loaded.flags, ...globalFlags };
  const parsed = parseWords([...before, ...after], flagSet, bounds);
  const flags = readGlobalFlags(parsed.flags);
  if (flags.help) {
    const { commandHelp } = await import("./help.ts");
    await system.stdout.write(commandHelp(path, entry, loaded, globalFlags));
    return 0;
  }
  checkCount(loaded, parsed, path);
  checkText(loaded, parsed);
  for (const [word, name] of namesIn(parsed, loaded)) names.set(word, name);
  return await execute(loaded, parsed, openContext(system, flags, names));
}

async function execute(
  loaded: Command,
  parsed: ReturnType<typeof parseWords>,
  context: Context,
): Promise<number> {
  try {
    return await loaded.execute(context, parsed.positional, parsed.flags);
  } finally {
    const rows = context.timing?.rows() ?? [];
    if (rows.length > 0) {
      const { formatTiming } = await import("./terminal/timing.ts");
      await context.remark(formatTiming(rows));
    }
  }
}

/** Follows the names at the beginning, which global flags may precede. */
async function findEntry(words: readonly string[]): Promise<Found> {
  const path: string[] = [];
  const before: string[] = [];
  let entry: Entry | undefined;
  let remaining = words;
  let level: readonly Entry[] | undefined = entries;
  while (level) {
    const { rest } = await parseGlobals(remaining, path);
    before.push(...remaining.slice(0, remaining.length - rest.length));
    remaining = rest;
    const [name, ...after] = remaining;
    if (name === undefined || (name === "help" && !entry)) break;
    entry = level.find((one) => one.name === name || one.aliases?.includes(name));
    if (!entry) throw await unknownCommand(name, path, level);
    path.push(entry.name);
    remaining = after;
    level = entry.commands;
  }
  return { path, entry, before, after: remaining };
}

async function notYet(path: readonly string[], feature: PlannedFeature): Promise<BhattiError> {
  const { plannedVersions } = await import("../contract/planned.ts");
  const words = ["bhatti", ...path].join(" ");
  return new BhattiError(
    "bad_usage",
    `${words} is planned for version ${plannedVersions[feature]}`,
  );
}

async function parseGlobals(words: readonly string[], path: readonly string[]) {
  try {
    return parseWords(words, globalFlags, { stopAtWord: true });
  } catch (error) {
    // `bhatti --version` is what many try first
    if (path.length === 0 && words.includes("--version")) return { rest: ["version"] };
    throw await withUsage(error, path, undefined);
  }
}

/** The program's or a group's help: asked for, or because nothing was said. */
async function showOverview(
  { entry, path, after }: Found,
  system: System,
  outcome: Outcome,
): Promise<number> {
  const [help, ...about] = after;
  if (help === "help") return await dispatch([...about, "--help"], system, outcome);
  const { overview } = await import("./help.ts");
  await system.stdout.write(overview(path, entry, { entries, groups, globalFlags }));
  return 0;
}

function readGlobalFlags(written: ReadonlyMap<string, readonly string[]>): GlobalFlags {
  const value = <T>(name: keyof GlobalFlags, flag: { parse(w: readonly string[], n: string): T }) =>
    flag.parse(written.get(name) ?? [], name);
  return {
    url: value("url", globalFlags.url),
    token: value("token", globalFlags.token),
    "data-dir": value("data-dir", globalFlags["data-dir"]),
    json: value("json", globalFlags.json),
    timing: value("timing", globalFlags.timing),
    help: value("help", globalFlags.help),
  };
}

function checkCount(
  loaded: Command,
  { positional, flags }: ReturnType<typeof parseWords>,
  path: readonly string[],
): void {
  const received = positional.length;
  const wanted = loaded.arguments.length;
  const few = received < wanted + (loaded.rest ? 1 : 0);
  if (!few && (loaded.rest || received === wanted)) return;
  // The original's words, after the name of the argument.
  const count = loaded.rest
    ? `requires at least ${wanted + 1} arg(s), received ${received}`
    : `accepts ${wanted} arg(s), received ${received}`;
  const missing = [...loaded.arguments, ...(loaded.rest ? [loaded.rest] : [])].slice(received);
  const message = few
    ? `missing argument ${missing.map((name) => `<${name}>`).join(" ")}: ${count}`
    : `unexpected argument "${positional[wanted]}": ${count}`;
  const isName = received === wanted + 1 && loaded.flags["name"] && !flags.has("name");
  const meant = ["bhatti", ...path, ...positional.slice(0, wanted), "--name", positional.at(-1)];
  throw new UsageError(message, {
    hint: isName ? `Did you mean: ${meant.join(" ")}` : undefined,
  });
}

/** Refuses bytes that are not UTF-8 where they could not be passed on as they are. */
function checkText(loaded: Command, { positional, flags }: ReturnType<typeof parseWords>): void {
  const refused = (what: string, text: string) => {
    if (hasBytes(text)) throw new UsageError(`${what} must be UTF-8, got "${text}"`);
  };
  for (const [index, text] of positional.entries()) {
    const name = loaded.arguments[index] ?? loaded.rest ?? "";
    if (!loaded.byteArguments?.includes(name)) refused(`<${name}>`, text);
  }
  for (const [name, written] of flags) for (const text of written) refused(`--${name}`, text);
}

/** Adds the usage line to a usage error, and a hint unless it has one. */
async function withUsage(error: unknown, path: readonly string[], loaded: Command | undefined) {
  if (!(error instanceof UsageError)) return error;
  const program = ["bhatti", ...path].join(" ");
  const isUnknownFlag = error instanceof UnknownFlag;
  const hint = isUnknownFlag ? await flagHint(error, path, loaded) : error.hint;
  const { commandUsage } = await import("./help.ts");
  return new UsageError(isUnknownFlag ? `${error.message} for "${program}"` : error.message, {
    cause: error,
    usage: `Usage: ${commandUsage(path, loaded)}`,
    hint: hint ?? `See: ${program} --help`,
  });
}

async function unknownCommand(name: string, path: readonly string[], level: readonly Entry[]) {
  const { closest } = await import("./suggest.ts");
  const { insteadOfCommand } = await import("./other-tools.ts");
  const namesOf = (all: readonly Entry[]) =>
    all.flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]);
  const destructive = level.filter(({ command }) => command?.flags["yes"]);
  const near = closest(name, namesOf(level), namesOf(destructive));
  const program = ["bhatti", ...path].join(" ");
  const error = new UsageError(`unknown command "${name}" for "${program}"`, {
    hint: insteadOfCommand([...path, name]) ?? (near && `Did you mean: ${program} ${near}`),
  });
  return await withUsage(error, path, undefined);
}

/** Suggests the most similar flag, or where the flag of another program belongs. */
async function flagHint(error: UnknownFlag, path: readonly string[], loaded: Command | undefined) {
  const { closest } = await import("./suggest.ts");
  const { insteadOfFlag } = await import("./other-tools.ts");
  const instead = insteadOfFlag(path, error.written);
  if (instead) return instead;
  const program = ["bhatti", ...path].join(" ");
  const near = closest(error.flag, Object.keys({ ...loaded?.flags, ...globalFlags }));
  const separator = loaded && separatorHint(error, program, loaded);
  return separator ?? (near && `Did you mean: --${near}`);
}

/** Before a command's first word no flag can be the command's own. */
function separatorHint({ before }: UnknownFlag, program: string, loaded: Command) {
  if (!loaded.restIsCommand || before.positional.length <= loaded.arguments.length)
    return undefined;
  const hint = `For a flag of the command, put -- before it: ${program} <sandbox> -- <command...>`;
  return withNames(hint, namesIn(before, loaded));
}
