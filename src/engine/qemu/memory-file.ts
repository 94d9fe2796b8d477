/** A guest's memory: a sparse file that QEMU maps shared. */
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** An empty one in place of whatever was there. */
export async function makeMemory(path: string, memoryMB: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, "", { mode: 0o600 });
  await truncate(path, memoryBytes(memoryMB));
}

export function memoryBytes(memoryMB: number): number {
  return memoryMB * 1024 * 1024;
}
