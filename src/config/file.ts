/** One configuration file: read, parsed and checked against the schema, with the line of whatever is wrong. */
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { duplicateKey } from "./duplicate-keys.ts";
import { broken } from "./rules.ts";
import { type ConfigKey, keys, type Rule } from "./schema.ts";

export interface ConfigFile {
  path: string;
  values: Partial<Record<ConfigKey, string | number>>;
}

/** Reads a file's text; undefined when there is none. Throws what the file system says otherwise. */
export type ReadText = (path: string) => Promise<string | undefined>;

export async function readConfigFile(
  path: string,
  read: ReadText,
): Promise<ConfigFile | undefined> {
  const text = await read(path).catch((cause: unknown) => {
    throw new BhattiError("bad_config", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  });
  return text === undefined ? undefined : parseConfig(path, text);
}

export function parseConfig(path: string, text: string): ConfigFile {
  const file: ConfigFile = { path, values: {} };
  const document = parseYaml(path, text);
  const twice = duplicateKey(text, groups);
  if (twice) throw invalid(path, twice.line, twice.key, "is a duplicate key");
  for (const [key, value] of flatten(document)) {
    const rule = ruleOf(key);
    const problem = rule ? broken(rule, value) : "is not a known key";
    if (problem) throw invalid(path, lineOf(text, key), key, problem);
    if (value !== "") file.values[key as ConfigKey] = value as string | number;
  }
  return file;
}

function ruleOf(key: string): Rule | undefined {
  return Object.hasOwn(keys, key) ? keys[key as ConfigKey] : undefined;
}

function parseYaml(path: string, text: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = Bun.YAML.parse(text);
  } catch (cause) {
    const reason = messageOf(cause).replace(/^YAML Parse error: /, "");
    throw new BhattiError("bad_config", `${path}:${brokenLine(text)}: not YAML: ${reason}`, {
      cause,
    });
  }
  if (document === null || document === undefined) return {};
  if (isMap(document)) return document;
  throw new BhattiError("bad_config", `${path}:1: must be a list of "key: value" lines`);
}

const groups = new Set(
  Object.keys(keys)
    .filter((key) => key.includes("."))
    .map((key) => key.slice(0, key.indexOf("."))),
);

/** Nested keys joined by a dot; a group that holds no map stays, so that its rule refuses it. */
function flatten(document: Record<string, unknown>): [string, unknown][] {
  const found: [string, unknown][] = [];
  for (const key in document) {
    const value = document[key];
    if (value === null) continue; // written without a value: as good as absent
    if (!groups.has(key) || !isMap(value)) found.push([key, value]);
    else for (const inner in value) found.push([`${key}.${inner}`, value[inner]]);
  }
  return found;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, line: number, key: string, problem: string): BhattiError {
  return new BhattiError("bad_config", `${path}:${line}: ${key} ${problem}`);
}

/** The parser gives values without positions, so the line is where the key is written. */
function lineOf(text: string, key: string): number {
  const lines = text.split("\n");
  const words = key.split(".");
  let from = 0;
  for (const [depth, word] of words.entries()) {
    const written = new RegExp(`^${depth ? "\\s+" : ""}["']?${RegExp.escape(word)}["']?\\s*:`);
    const at = lines.findIndex((line, index) => index >= from && written.test(line));
    if (at < 0) break;
    from = at;
  }
  return from + 1;
}

/** The parser's own line number is always 1: what breaks the file is the line after the last good beginning. */
function brokenLine(text: string): number {
  const lines = text.split("\n");
  for (let count = lines.length - 1; count > 0; count--) {
    try {
      Bun.YAML.parse(lines.slice(0, count).join("\n"));
      return count + 1;
    } catch {
      // still broken, so the fault is further up
    }
  }
  return 1;
}
