/** Parses JSON of another program. Omits fields and items that are null. */

/** Undefined for anything but a list of objects. Go programs write an empty list as null. */
export function listIn(text: string): object[] | undefined {
  const value = parsed(text);
  if (value === null) return [];
  return Array.isArray(value) && value.every(isRecord) ? value : undefined;
}

/** Undefined for anything but an object. */
export function recordIn(text: string): Record<string, unknown> | undefined {
  const value = parsed(text);
  return isRecord(value) ? value : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text, withoutNulls) ?? null;
  } catch {
    return undefined;
  }
}

/** A field that is returned as undefined is removed, an item leaves a hole. */
function withoutNulls(_name: string, value: unknown): unknown {
  return Array.isArray(value) ? value.filter(() => true) : (value ?? undefined);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
