/** Parses JSON from a client and refuses text that no UTF-8 can carry. */
import { BhattiError } from "../errors/bhatti-error.ts";

/** In characters, of a field's path in a message. */
const longestField = 200;
const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Unpaired surrogates can only come from escapes: text that was decoded from UTF-8 has none. */
const surrogateEscape = /\\u[dD][89a-fA-F]/;

/** Throws bad_request that starts with `what`, such as `body`, when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new BhattiError("bad_request", `${what}: must be UTF-8`, { cause: error });
  }
}

/** Throws bad_request that names the field when a string or a key has an unpaired surrogate. */
export function parseJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BhattiError("bad_request", `${what}: must be JSON`, { cause: error });
  }
  if (surrogateEscape.test(text)) requireWellFormed(value, what);
  return value;
}

/** Walks with a stack of its own: the nesting is the client's choice. */
function requireWellFormed(root: unknown, what: string): void {
  const open: Field[] = [{ path: "", value: root }];
  for (let field = open.pop(); field; field = open.pop()) {
    const { path, value } = field;
    if (typeof value === "string") requireText(value, path || what);
    if (typeof value !== "object" || value === null) continue;
    for (const inner of fieldsOf(value, path)) open.push(inner);
  }
}

interface Field {
  path: string;
  value: unknown;
}

function fieldsOf(value: object, path: string): Field[] {
  return Object.entries(value).map(([key, inner]) => {
    const inside = path === "" ? key : `${path}.${key}`;
    requireText(key, inside);
    return { path: inside, value: inner };
  });
}

function requireText(text: string, field: string): void {
  if (text.isWellFormed()) return;
  const surrogate = [...text].find((character) => !character.isWellFormed()) ?? "";
  const shown = JSON.stringify(surrogate).slice(1, -1);
  throw new BhattiError(
    "bad_request",
    `${shortened(field.toWellFormed())}: must be Unicode text (got the unpaired surrogate ${shown})`,
  );
}

function shortened(field: string): string {
  return field.length > longestField ? `${field.slice(0, longestField)}…` : field;
}
