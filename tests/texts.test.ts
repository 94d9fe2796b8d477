/** Texts that users read follow the style guide: help, OpenAPI and hints. */
import { expect, test } from "bun:test";
import type { Flags } from "../src/cli/command.ts";
import { commandHelp, overview } from "../src/cli/help.ts";
import { type Entry, entries, groups } from "../src/cli/program.ts";
import { globalFlags } from "../src/cli/settings.ts";
import { endpoints } from "../src/contract/all.ts";
import type { Endpoint, EndpointShape } from "../src/contract/endpoint.ts";
import { openApiDocument } from "../src/contract/openapi.ts";
import type { EndpointId } from "../src/contract/paths.ts";
import { catalogue } from "../src/errors/catalogue.ts";

const vague = /\b(somebody|nobody|anybody|everybody|whoever|whatever|whom|told|tells)\b/i;
const verbs =
  "Attach Back Build Cancel Check Clone Configure Connect Copy Create Delete Destroy Detach Download Follow Fork Forward Generate Get Import Kill List Manage Move Open Print Publish Pull Push Query Read Remove Rename Resize Restore Resume Revoke Rotate Run Save Send Set Share Show Snapshot Start Stop Suspend Unpublish Unshare Update Upload Wait Watch Write".split(
    " ",
  );

interface Documented {
  path: string[];
  entry: Entry;
}

function all(level: readonly Entry[], path: string[] = []): Documented[] {
  return level.flatMap((entry) => {
    const own = [...path, entry.name];
    return [{ path: own, entry }, ...all(entry.commands ?? [], own)];
  });
}

const commands = all(entries);
const program = { entries, groups, globalFlags };
const helps: [string, string][] = [
  ["bhatti", overview([], undefined, program)],
  ...commands.map(({ path, entry }): [string, string] => [
    path.join(" "),
    entry.command
      ? commandHelp(path, entry, entry.command, globalFlags)
      : overview(path, entry, program),
  ]),
];

const summaries: [string, string][] = [
  ...commands.map(({ path, entry }): [string, string] => [path.join(" "), entry.summary]),
  ...Object.values(endpoints).map(({ id, summary }): [string, string] => [id, summary]),
];

test.each(summaries)("the summary of %s is an imperative phrase", (_name, summary) => {
  expect(verbs).toContain(summary.split(" ")[0] ?? "");
  expect(summary).not.toEndWith(".");
  expect(summary.length).toBeLessThanOrEqual(72);
});

test.each(helps)("the help of %s fits into 100 columns", (_name, help) => {
  expect(help.split("\n").filter((line) => line.length > 100)).toEqual([]);
});

test.each(helps)("the help of %s names actors and objects", (_name, help) => {
  expect(help).not.toMatch(vague);
});

test.each<[string, Flags]>([
  ["every command", globalFlags],
  ...commands.flatMap(({ path, entry }): [string, Flags][] =>
    entry.command ? [[path.join(" "), entry.command.flags]] : [],
  ),
])("the flags of %s have descriptions", (_name, flags) => {
  for (const { summary } of Object.values(flags)) {
    expect(summary).toMatch(/^\p{Lu}/u);
    expect(summary).not.toEndWith(".");
  }
});

test("the OpenAPI document names actors and objects", () => {
  const listed: Endpoint<EndpointId, EndpointShape>[] = Object.values(endpoints);
  const texts = textsOf(openApiDocument(listed, "0"));
  expect(texts.length).toBeGreaterThan(100);
  expect(texts.filter((text) => vague.test(text))).toEqual([]);
  expect(texts.filter((text) => !/^[\p{L}\d]/u.test(text))).toEqual([]);
});

/** The summaries and descriptions in a document. */
function textsOf(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    (key === "summary" || key === "description") && typeof value === "string"
      ? [value]
      : textsOf(value),
  );
}

const hints = Object.entries(catalogue).flatMap(([code, { hint }]) =>
  hint === undefined ? [] : [[code, hint] as const],
);

test.each(hints)("the hint of %s starts with a capital and has no full stop", (_code, hint) => {
  expect(hint).toMatch(/^\p{Lu}/u);
  expect(hint).not.toEndWith(".");
  expect(hint).not.toMatch(vague);
});

const sources = await Array.fromAsync(
  new Bun.Glob("src/**/*.ts").scan({ cwd: `${import.meta.dirname}/..` }),
);
const commandsInSources = await Promise.all(
  sources.map(async (file): Promise<[string, string]> => {
    const text = await Bun.file(`${import.meta.dirname}/../${file}`).text();
    // Hints end with a command after a colon.
    return [file, [...text.matchAll(/: (bhatti [a-z -]+)/g)].map(([, words]) => words).join("\n")];
  }),
);

test.each([...helps, ...hints, ...commandsInSources.filter(([, text]) => text !== "")])(
  "the commands that %s mentions exist",
  (_name, text) => {
    expect(mentioned(text).filter((words) => !exists(words))).toEqual([]);
  },
);

/** The words after each `bhatti` in a text, up to the first that cannot be a name. */
function mentioned(text: string): string[][] {
  const words = /\bbhatti((?: [a-z][a-z-]*(?![\w<]))+)/g;
  return [...text.matchAll(words)].map(([, found]) => (found ?? "").trim().split(" "));
}

/** Whether a group's command, or a command with any arguments, has these words. */
function exists(words: readonly string[], level: readonly Entry[] = entries): boolean {
  const [name = "", ...rest] = words;
  const entry = level.find((one) => one.name === name || one.aliases?.includes(name));
  return entry?.commands && rest.length > 0 ? exists(rest, entry.commands) : entry !== undefined;
}
