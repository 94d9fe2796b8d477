/** What tables have in common: columns that SQLite has no type for, and rows that may not be there. */
import { z } from "zod";

/** A map of texts, kept as JSON. */
export const TextMap = z
  .string()
  .transform((json) => z.record(z.string(), z.string()).parse(JSON.parse(json)));

export const Flag = z.int().transform((stored) => stored === 1);

/** What a `get` has found. */
export function rowOf<Row>(schema: z.ZodType<Row>, found: unknown): Row | undefined {
  return found ? schema.parse(found) : undefined;
}
