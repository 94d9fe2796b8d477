/** Help texts, made from the same data that the parser reads. */
import { plannedVersions } from "../contract/planned.ts";
import type { Command, Flags } from "./command.ts";
import type { Entry } from "./program.ts";

const columns = 100;

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
  const head = group ? `${group.summary}` : "Create and manage Linux microVM sandboxes";
  const all = group ? (group.commands ?? []) : entries;
  const available = all.filter(({ planned }) => planned === undefined);
  const planned = all.filter((entry) => entry.planned !== undefined);
  const sections = group
    ? [section("Commands", available.map(nameAndSummary))]
    : groups.map((name) =>
        section(name, available.filter((entry) => entry.group === name).map(nameAndSummary)),
      );
  if (planned.length > 0) sections.push(section("Planned", planned.map(nameAndVersion)));
  return [
    `${head}\n`,
    `Usage:\n  ${commandUsage(path, undefined)}\n`,
    ...sections,
    section("Global flags", flagRows(globalFlags)),
    `Run "${program} <command> --help" for more information about a command.\n`,
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
    ...(command.description ? [`${wrap(command.description, columns)}\n`] : []),
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
  const rest = command.rest ? [`<${command.rest}...>`] : [];
  // Flags after the words of another program belong to that program.
  const all = command.restIsCommand
    ? ["[flags]", ...words, "[--]", ...rest]
    : [...words, ...rest, "[flags]"];
  return [program, ...all].join(" ");
}

type Row = [left: string, right: string];

function nameAndSummary(entry: Entry): Row {
  return [[entry.name, ...(entry.aliases ?? [])].join(", "), entry.summary];
}

function nameAndVersion({ name, summary, planned }: Entry): Row {
  return [name, planned ? `${summary} (version ${plannedVersions[planned]})` : summary];
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
  const indent = Math.max(0, ...rows.map(([left]) => left.length)) + 5;
  const text = rows.map(
    ([left, right]) => `  ${left}`.padEnd(indent) + wrap(right, columns - indent, indent),
  );
  return `${title}:\n${text.map((row) => `${row}\n`).join("")}`;
}

/** Breaks lines longer than the width at spaces; lines after the first get the indent. */
function wrap(text: string, width: number, indent = 0): string {
  const lines = text.split("\n").flatMap((paragraph) => {
    const filled: string[] = [];
    let line: string | undefined;
    for (const word of paragraph.split(" ")) {
      if (line !== undefined && line.length + 1 + word.length > width) {
        filled.push(line);
        line = word;
      } else line = line === undefined ? word : `${line} ${word}`;
    }
    return [...filled, line ?? ""];
  });
  return lines.join(`\n${" ".repeat(indent)}`);
}
