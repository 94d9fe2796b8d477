/** The folders of one machine. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { MachinePaths } from "./paths.ts";

export async function makeFolders(paths: MachinePaths): Promise<void> {
  for (const directory of [paths.directory, paths.sockets, dirname(paths.ram)]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
}
