/** Help texts, made from the same data that the parser reads. */
import type { Command, Flags } from "./command.ts";
import type { Entry } from "./program.ts";

/** Passed in, so that this file shares none with the program's start. */
export interface Program {
  entries: readonly Entry[];
  groups: readonly string[];
  globalFlags: Flags;
}

/** Help of the program, or of a group of commands. */
export function overview(
  path: readonly string[],
  group: Entry | undefined,
  { entries, groups, globalFlags }: Program,
): string {
  const program = ["bhatti", ...path].join(" ");
  const head = group
    ? `${group.summary}`
    : "bhatti makes Linux microVMs on a machine of your own, and runs commands in them";
  const sections = group
    ? [section("Commands", (group.commands ?? []).map(nameAndSummary))]
    : groups.map((name) =>
        section(name, entries.filter((entry) => entry.group === name).map(nameAndSummary)),
      );
  return [
    `${head}\n`,
    `Usage:\n  ${commandUsage(path, undefined)}\n`,
    ...sections,
    section("Global flags", flagRows(globalFlags)),
    `More about a command: ${program} <command> --help\n`,
  ].join("\n");
}

export function commandHelp(
  path: readonly string[],
  entry: Entry,
  command: Command,
  globalFlags: Flags,
): string {
  const aliases = entry.aliases?.length ? [`Aliases: ${entry.aliases.join(", ")}\n`] : [];
  const flags = flagRows(command.flags);
  return [
    `${entry.summary}\n`,
    ...(command.description ? [`${command.description}\n`] : []),
    `Usage:\n  ${commandUsage(path, command)}\n`,
    ...aliases,
    ...(command.examples ? [`Examples:\n${command.examples.map((e) => `  ${e}\n`).join("")}`] : []),
    ...(flags.length > 0 ? [section("Flags", flags)] : []),
    section("Global flags", flagRows(globalFlags)),
  ].join("\n");
}

/** The usage line of a command, or of the group of commands at the path. */
export function commandUsage(path: readonly string[], command: Command | undefined): string {
  const program = ["bhatti", ...path].join(" ");
  if (!command) return `${program} <command> [flags]`;
  const words = command.arguments.map((name) => `<${name}>`);
  // Flags after the words of another program would be that program's.
  const all = command.rest
    ? ["[flags]", ...words, "[--]", `<${command.rest}...>`]
    : [...words, "[flags]"];
  return [program, ...all].join(" ");
}

type Row = [left: string, right: string];

function nameAndSummary(entry: Entry): Row {
  return [[entry.name, ...(entry.aliases ?? [])].join(", "), entry.summary];
}

function flagRows(flags: Flags): Row[] {
  return Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .map(([name, flag]) => [
      `${flag.short ? `-${flag.short}, ` : "    "}--${name}${flag.placeholder ? ` <${flag.placeholder}>` : ""}`,
      flag.summary,
    ]);
}

function section(title: string, rows: readonly Row[]): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 3;
  return `${title}:\n${rows.map(([left, right]) => `  ${left.padEnd(width)}${right}\n`).join("")}`;
}
