/** The folders of one machine's files. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { makeOwnedFolder } from "./owned-folder.ts";
import type { MachinePaths } from "./paths.ts";

export async function makeFolders(paths: MachinePaths, host: string): Promise<void> {
  if (!existsSync(paths.directory)) await makeOwnedFolder(paths.directory, host);
  await mkdir(dirname(paths.ram), { recursive: true, mode: 0o700 });
}
