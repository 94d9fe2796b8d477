/** What files take on the disk. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** The regular files below a folder, and how many bytes they occupy; a hole takes none. */
export async function allocatedBytes(
  directory: string,
): Promise<{ bytes: number; files: string[] }> {
  const found = { bytes: 0, files: [] as string[] };
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.files.push(path);
    found.bytes += (await lstat(path)).blocks * 512;
  }
  return found;
}
