/** Parses what a client sent; the error names the field and the rule, and shows short harmless values. */
import type { z } from "zod";
import { withoutUnset } from "../contract/unset.ts";
import { BhattiError } from "../errors/bhatti-error.ts";

type Issue = z.core.$ZodRawIssue;

/** Values below these are the user's own business and never repeated. */
const secretive = new Set(["env", "files", "init", "userdata", "cmd"]);

export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(withoutUnset(schema, value), { error: rule });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (!issue) throw new BhattiError("bad_request", `${what}: is not valid`);
  throw new BhattiError("bad_request", describe(issue, value, what));
}

function describe(issue: z.core.$ZodIssue, root: unknown, what: string): string {
  if (issue.code === "unrecognized_keys") {
    const path = [...issue.path, issue.keys[0] ?? ""].join(".");
    return `${path}: unknown field`;
  }
  const field = issue.path.length > 0 ? issue.path.join(".") : what;
  const value = valueAt(issue.path, root);
  if (issue.code === "invalid_type" && value === undefined) return `${field}: is required`;
  // Of a record's bad key the rule is one level further down.
  const message = issue.code === "invalid_key" ? issue.issues[0]?.message : issue.message;
  const isSecret = secretive.has(String(issue.path[0]));
  return `${field}: ${message ?? issue.message}${isSecret ? "" : shown(value)}`;
}

function valueAt(path: readonly PropertyKey[], root: unknown): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function shown(value: unknown): string {
  const primitive = ["string", "number", "boolean"].includes(typeof value) || value === null;
  if (!primitive) return "";
  const text = JSON.stringify(value);
  return text.length <= 100 ? ` (got ${text})` : "";
}

/** The rule in words, for schemas that do not bring their own. */
function rule(issue: Issue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${typeNames[issue.expected] ?? `a ${issue.expected}`}`;
    case "too_small":
      return `must be at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return "must match one of the documented forms";
    default:
      return undefined;
  }
}

const typeNames: Record<string, string> = {
  int: "a whole number",
  array: "a list",
  object: "an object",
  record: "an object",
  boolean: "true or false",
};

function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" ? " items" : "";
}
