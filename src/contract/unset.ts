/**
 * Removes optional fields that are not set from a request. Go clients send such a field as null or as the zero value of
 * its type ("", 0, false, [], {}); derived from the schema, so that no field has to list it.
 */
import { globalRegistry, type z } from "zod";

const zeroKey = "x-zero";

/** Metadata of an optional field whose zero value differs from its absence. OpenAPI shows it as `x-zero`. */
export function zeroMeans(meaning: string): Record<typeof zeroKey, string> {
  return { [zeroKey]: meaning };
}

/** Treats null as an empty request. */
export function withoutUnset(schema: z.core.$ZodType, request: unknown): unknown {
  return strip(schema, request === null ? {} : request);
}

function strip(schema: z.core.$ZodType, value: unknown): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object":
      return isRecord(value) ? stripFields(def.shape, value) : value;
    case "array":
      return Array.isArray(value) ? value.map((item) => strip(def.element, item)) : value;
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
      return strip(def.innerType, value);
    case "pipe":
      return strip(def.in, value);
    default:
      return value;
  }
}

function stripFields(shape: z.core.$ZodShape, record: Record<string, unknown>) {
  const fields = Object.entries(record).flatMap(([name, raw]) => {
    const schema = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (!schema) return [[name, raw]]; // refused by the schema
    const value = strip(schema, raw);
    return isUnset(schema, value) ? [] : [[name, value]];
  });
  return Object.fromEntries(fields);
}

function isUnset(schema: z.core.$ZodType, value: unknown): boolean {
  if (schema._zod.optin === undefined) return false; // required
  const field = traitsOf(schema);
  return value === null ? !field.takesNull : !field.hasMeaning && isZero(field.leaf, value);
}

interface FieldTraits {
  /** Unwraps optional, nullable and default layers. */
  leaf: z.core.$ZodTypes;
  takesNull: boolean;
  hasMeaning: boolean;
}

function traitsOf(schema: z.core.$ZodType): FieldTraits {
  const leaf = schema as z.core.$ZodTypes;
  const hasMeaning = globalRegistry.get(schema)?.[zeroKey] !== undefined;
  const inner = innerOf(leaf);
  if (!inner) return { leaf, takesNull: false, hasMeaning };
  const traits = traitsOf(inner);
  return {
    leaf: traits.leaf,
    takesNull: traits.takesNull || leaf._zod.def.type === "nullable",
    hasMeaning: traits.hasMeaning || hasMeaning,
  };
}

function innerOf({ _zod: { def } }: z.core.$ZodTypes): z.core.$ZodType | undefined {
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
      return def.innerType;
    case "pipe":
      return def.in;
    default:
      return undefined;
  }
}

function isZero({ _zod: { def } }: z.core.$ZodTypes, value: unknown): boolean {
  switch (def.type) {
    case "string":
    case "enum":
      return value === "";
    case "number":
      return value === 0;
    case "boolean":
    case "literal":
      return value === false;
    case "array":
      return Array.isArray(value) && value.length === 0;
    case "object":
    case "record":
      return isRecord(value) && Object.keys(value).length === 0;
    case "union":
      return def.options.some((option) => isZero(option as z.core.$ZodTypes, value));
    default:
      return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
