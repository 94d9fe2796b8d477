/** What a value of each kind must look like, and the words for one that does not. */

import { parseRange } from "../network/ipv4.ts";
import { durationRule, parseDuration } from "./duration.ts";
import type { Rule } from "./schema.ts";

/** Says what is wrong with the value, or nothing. */
export function broken(rule: Rule, value: unknown): string | undefined {
  if (rule.kind === "whole") return brokenWhole(rule, value);
  if (rule.kind === "duration") return brokenDuration(value);
  if (typeof value !== "string") return `must be text, got ${shown(value)}`;
  if (value === "") return undefined; // as good as absent
  if (rule.kind === "choice") {
    return rule.of.includes(value)
      ? undefined
      : `must be one of ${rule.of.join(", ")}, got ${shown(value)}`;
  }
  return textRules[rule.kind](value);
}

function brokenWhole(rule: { min: number; max: number }, value: unknown): string | undefined {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    return `must be a whole number, got ${shown(value)}`;
  }
  return value < rule.min || value > rule.max
    ? `must be between ${rule.min} and ${rule.max}, got ${value}`
    : undefined;
}

/** YAML makes a number of one without a unit. */
function brokenDuration(value: unknown): string | undefined {
  if (value === "") return undefined; // as good as absent
  const isWritten = typeof value === "string" || typeof value === "number";
  return isWritten && parseDuration(String(value)) !== undefined
    ? undefined
    : `${durationRule}, got ${shown(value)}`;
}

const textRules = {
  text: () => undefined,
  path: (value: string) =>
    value.startsWith("/") ? undefined : `must be an absolute path, got ${shown(value)}`,
  url: (value: string) => brokenUrl(value),
  range: (value: string) => {
    const range = parseRange(value);
    return range && range.prefix >= 8 && range.prefix <= 23
      ? undefined
      : `must be an IPv4 range from /8 to /23 such as 10.208.0.0/12, got ${shown(value)}`;
  },
  address: (value: string) =>
    isAddress(value) ? undefined : `must be host:port such as 127.0.0.1:8080, got ${shown(value)}`,
} satisfies Record<string, (value: string) => string | undefined>;

/** Without regular expressions: compiling one takes longer than reading a whole file. */
function isAddress(value: string): boolean {
  const at = value.lastIndexOf(":");
  const [host, port] = [value.slice(0, at), value.slice(at + 1)];
  const bracketed = host.startsWith("[") && host.endsWith("]");
  const number = Number(port);
  return (
    at >= 0 &&
    !value.includes(" ") &&
    (bracketed || !host.includes(":")) &&
    port.length > 0 &&
    Number.isInteger(number) &&
    number >= 0 &&
    number <= 65_535
  );
}

/** Says what is wrong with the address of an API, or nothing. */
export function brokenUrl(value: string): string | undefined {
  const url = URL.parse(value);
  return url && (url.protocol === "http:" || url.protocol === "https:")
    ? undefined
    : `must be a URL that starts with http:// or https://, got ${shown(value)}`;
}

function shown(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return String(value); // JSON has no infinity
  return typeof value === "object" ? "a map" : JSON.stringify(value);
}
