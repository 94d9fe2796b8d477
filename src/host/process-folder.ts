/** Folders that one process uses, with the process in their names, so that those of killed processes can be found. */
import { mkdtempSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isAlive, startTimeOf } from "./process.ts";

export interface ProcessFolder {
  path: string;
  pid: number;
  /** Its process has ended. */
  isAbandoned: boolean;
}

/** Creates `<prefix><pid>-<start time>-<random>` for this process. */
export function makeProcessFolder(parent: string, prefix: string): string {
  return mkdtempSync(join(parent, `${prefix}${process.pid}-${startTimeOf(process.pid)}-`));
}

/** Lists the folders of all processes; none where the parent does not exist. */
export function processFolders(parent: string, prefix: string): ProcessFolder[] {
  return namesIn(parent).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const [, pid, startTime] = name.slice(prefix.length).match(/^(\d+)-(\d+)-/) ?? [];
    if (pid === undefined) return [];
    const identity = { pid: Number(pid), startTime: Number(startTime) };
    return [{ path: join(parent, name), pid: identity.pid, isAbandoned: !isAlive(identity) }];
  });
}

function namesIn(parent: string): string[] {
  try {
    return readdirSync(parent);
  } catch {
    return [];
  }
}
