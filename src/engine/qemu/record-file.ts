/** What was written down in a file: when it is read again it may be anything. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";

/** Undefined when there is none. Throws when it cannot be read, or is not what was written. */
export async function readRecordFile<T>(
  path: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : schema.parse(JSON.parse(text));
}
