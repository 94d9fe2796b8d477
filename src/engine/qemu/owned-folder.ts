/** Folders with an owner file that names their host, so that no other host's recovery removes them. */
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { writeAtomically } from "../../host/atomic-file.ts";
import { readRecordFile } from "./record-file.ts";

const Owner = z.object({ host: z.string() });

export const ownerName = "owner.json";

/** Prefix of incomplete folders: the daemon died while creating them, and nothing refers to them. */
export const unfinishedPrefix = ".new-";

/** Creates the folder atomically with its owner file. */
export async function makeOwnedFolder(directory: string, host: string): Promise<void> {
  const unfinished = join(dirname(directory), `${unfinishedPrefix}${basename(directory)}`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await writeAtomically(ownerFile(unfinished), `${JSON.stringify({ host })}\n`, { durable: false });
  await rename(unfinished, directory);
}

/** False too when the owner is unknown: folders of earlier versions have no owner file. */
export async function isOwnedBy(directory: string, host: string): Promise<boolean> {
  const owner = await readRecordFile(ownerFile(directory), Owner).catch(() => undefined);
  return owner?.host === host;
}

function ownerFile(directory: string): string {
  return join(directory, ownerName);
}
