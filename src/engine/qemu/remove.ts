/** Takes a machine away for good: its process, its sockets, its files. */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
import { isFullDisk } from "../../host/disk-space.ts";
import { ownerName } from "./owned-folder.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import { endRunningProcess } from "./record.ts";

/** Ends whatever runs of a machine and removes its files. Idempotent, also after a crash in the middle. */
export async function removeMachine(engine: EnginePaths, id: string): Promise<void> {
  const paths = machinePaths(engine, id);
  await endRunningProcess(paths);
  faultPoint("remove.process-gone");
  await rm(paths.sockets, { recursive: true, force: true });
  faultPoint("remove.sockets-gone");
  if (dirname(paths.ram) !== paths.directory) {
    await rm(dirname(paths.ram), { recursive: true, force: true });
  }
  // Last: remaining files keep their owner file.
  await discard(engine, paths.directory, id);
}

function trashDirectory(engine: EnginePaths): string {
  return join(engine.machines, ".trash");
}

/** Deletes what an earlier daemon discarded. The trash itself stays: nothing has to be created in order to delete. */
export async function emptyTrash(engine: EnginePaths): Promise<void> {
  const trash = trashDirectory(engine);
  await mkdir(trash, { recursive: true, mode: 0o700 });
  for (const name of await readdir(trash)) {
    await rm(join(trash, name), { recursive: true, force: true });
  }
}

/** One rename removes the folder whole; a deletion in the trash that is interrupted is finished at the next start. */
export async function discard(engine: EnginePaths, directory: string, id: string): Promise<void> {
  const target = join(trashDirectory(engine), `${id}-${Bun.nanoseconds()}`);
  try {
    await rename(directory, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    if (!isFullDisk(error)) throw error;
    await removeInPlace(directory);
    return;
  }
  faultPoint("discard.moved");
  await rm(target, { recursive: true, force: true });
}

/** For a disk on which even a rename finds no room. The owner file goes last, so that remaining files have an owner. */
async function removeInPlace(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name === ownerName) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
  await rm(directory, { recursive: true, force: true });
}
