/** What files take on the disk. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

export interface FileUse {
  path: string;
  /** What it occupies: a hole takes nothing. */
  bytes: number;
}

/** The regular files below a folder. */
export async function filesBelow(directory: string): Promise<FileUse[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, bytes: (await lstat(path)).blocks * 512 };
    }),
  );
}
