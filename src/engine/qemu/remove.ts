/** Takes a machine away for good: its process, its sockets, its files. */
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
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
  // Last: as long as anything is left, its owner file says whose it is.
  await discard(engine, paths.directory, id);
}

export function trashDirectory(engine: EnginePaths): string {
  return join(engine.machines, ".trash");
}

/** One rename takes it away whole; deleting what is in the trash may be interrupted and is done again at a start. */
export async function discard(engine: EnginePaths, directory: string, id: string): Promise<void> {
  const trash = trashDirectory(engine);
  await mkdir(trash, { recursive: true, mode: 0o700 });
  const target = join(trash, `${id}-${Bun.nanoseconds()}`);
  try {
    await rename(directory, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  faultPoint("discard.moved");
  await rm(target, { recursive: true, force: true });
}
