/** Files that are there completely or not at all, also after a power cut. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Writes to a temporary name beside the path, makes it durable, and renames it into place. What means nothing after a
 * power cut, such as a pid, need not be durable: that costs milliseconds of waiting for the disk.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, durable = true } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (durable) await makeDurable(dirname(path));
}

/** Brings what was written to a file, or the names in a directory, to the disk. */
export async function makeDurable(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
