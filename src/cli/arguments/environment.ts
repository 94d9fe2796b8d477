/** `--env KEY=VALUE,KEY=VALUE`, where a value may have commas too, and `--env KEY`. */
import type { Flag } from "../command.ts";
import { ownVariable } from "../own-words.ts";
import type { System } from "../system.ts";
import { badFlag } from "./flags.ts";

/** A key without a value gets the value from the local environment. */
type Environment = Record<string, string | undefined>;

/** What follows a comma that separates: another pair, or nothing. */
const boundary = "(?=[A-Za-z_]\\w*=|$)";
const separator = new RegExp(`(?<!\\\\),+${boundary}`);
const escaped = new RegExp(`\\\\,${boundary}`, "g");
const keyAlone = /^[A-Za-z_]\w*$/;

export function environment(
  summary: string,
  words: { short?: string } = {},
): Flag<Environment | undefined> {
  const parse = (written: readonly string[], name: string): Environment | undefined => {
    if (written.length === 0) return undefined;
    const found: Environment = {};
    for (const one of written) {
      if (keyAlone.test(one)) found[one] = undefined;
      else
        for (const pair of one.split(separator)) addPair(pair.replace(escaped, ","), found, name);
    }
    return found;
  };
  return {
    summary: `${summary}; KEY alone takes its local value (repeatable; write \\, for a comma before KEY=)`,
    placeholder: "KEY=VALUE,...",
    parse,
    ...words,
  };
}

function addPair(pair: string, found: Environment, name: string): void {
  const at = pair.indexOf("=");
  if (at > 0) found[pair.slice(0, at)] = pair.slice(at + 1);
  else if (pair) throw badFlag(name, `must be KEY=VALUE,... or KEY, got "${pair}"`);
}

/** Fills in local values. Omits variables that are not set locally, as docker does. */
export async function withLocalValues(
  environment: Environment | undefined,
  env: System["env"],
): Promise<Record<string, string> | undefined> {
  if (!environment) return undefined;
  const values: Record<string, string> = {};
  for (const [key, given] of Object.entries(environment)) {
    const local = given === undefined ? env[key] : undefined;
    const value = given ?? (local === undefined ? undefined : await ownVariable(key, local));
    if (value !== undefined) values[key] = value;
  }
  return values;
}
