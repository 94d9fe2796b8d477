/** The kinds of flags: each turns what was written into a value, or says which flag broke which rule. */
import { type PlannedFeature, plannedVersions } from "../../contract/planned.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Flag } from "../command.ts";
import { UsageError } from "../usage-error.ts";

interface Words {
  short?: string;
  placeholder?: string;
}

/** Present or not. */
export function toggle(
  summary: string,
  words: { short?: string; hidden?: true } = {},
): Flag<boolean> {
  return { summary, ...words, parse: (written) => written.at(-1) === "true" };
}

/** A text; the last one written counts. */
export function text(summary: string, words: Words = {}): Flag<string | undefined> {
  return { summary, placeholder: "text", ...words, parse: (written) => written.at(-1) };
}

/** A text that must be there. */
export function requiredText(summary: string, words: Words = {}): Flag<string> {
  const parse = (written: readonly string[], name: string): string => {
    const value = written.at(-1);
    if (!value) throw badFlag(name, "is required");
    return value;
  };
  return { summary, placeholder: "text", ...words, parse };
}

/** A whole number within bounds, in the words of the rule when it is not. */
export function whole(
  summary: string,
  words: Words & { min: number; max: number; unit?: string },
): Flag<number | undefined> {
  const { min, max, unit, ...shown } = words;
  const parse = (written: readonly string[], name: string): number | undefined => {
    const value = written.at(-1);
    if (value === undefined) return undefined;
    const suffix = unit ? ` ${unit}` : "";
    if (!/^[+-]?\d+$/.test(value)) {
      throw badFlag(name, `must be a whole number${suffix && ` of${suffix}`}, got "${value}"`);
    }
    const number = Number(value);
    if (number < min || number > max) {
      throw badFlag(name, `must be between ${min} and ${max}${suffix}, got ${value}`);
    }
    return number;
  };
  return { summary, placeholder: "n", ...shown, parse };
}

/** One of a few words. */
export function choice<const Word extends string>(
  summary: string,
  of: readonly Word[],
  { hint, ...words }: Words & { hint?: string } = {},
): Flag<Word | undefined> {
  const parse = (written: readonly string[], name: string): Word | undefined => {
    const value = written.at(-1);
    const found = of.find((word) => word === value);
    if (value !== undefined && found === undefined) {
      throw badFlag(name, `must be one of ${of.join(", ")}, got "${value}"`, hint);
    }
    return found;
  };
  return { summary, placeholder: of.join("|"), ...words, parse };
}

/** KEY=VALUE pairs, several with commas or by repeating the flag. */
export function pairs(
  summary: string,
  { placeholder = "key=value", ...words }: Words = {},
): Flag<Record<string, string> | undefined> {
  const parse = (written: readonly string[], name: string) => {
    if (written.length === 0) return undefined;
    const found: Record<string, string> = {};
    for (const [index, piece] of written.flatMap((value) => [...value.split(",").entries()])) {
      if (!piece) continue;
      const at = piece.indexOf("=");
      if (at < 1) {
        const hint = index > 0 ? "A comma separates pairs; a value cannot contain one" : undefined;
        throw badFlag(name, `must be ${placeholder}, got "${piece}"`, hint);
      }
      found[piece.slice(0, at)] = piece.slice(at + 1);
    }
    return found;
  };
  return { summary, placeholder, ...words, parse };
}

/** Permission bits of a file. */
export function fileMode(summary: string): Flag<string | undefined> {
  const parse = (written: readonly string[], name: string): string | undefined => {
    const value = written.at(-1);
    if (value === undefined || /^0?[0-7]{3,4}$/.test(value)) return value;
    throw badFlag(name, `must be octal permission bits such as 0644, got "${value}"`);
  };
  return { summary, placeholder: "bits", parse };
}

/** Every use, in order. */
export function list(summary: string, words: Words = {}): Flag<readonly string[]> {
  return { summary, placeholder: "text", ...words, parse: (written) => written };
}

/** A flag that a later version brings. */
export function planned(feature: PlannedFeature): Flag<undefined> {
  const parse = (written: readonly string[], name: string): undefined => {
    if (written.length === 0) return undefined;
    const version = plannedVersions[feature];
    throw new BhattiError("bad_usage", `--${name} is planned for version ${version}`);
  };
  return { summary: "Planned", placeholder: "text", hidden: true, parse };
}

export const confirmed = toggle("Do not ask for confirmation", { short: "y" });

export function badFlag(name: string, problem: string, hint?: string): UsageError {
  return new UsageError(`--${name} ${problem}`, { hint });
}
