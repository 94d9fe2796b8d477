/** How a later daemon finds a machine again: by what is written down about it, and by its process. */
import { readdir, readFile, readlink, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { z } from "zod";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import { writeAtomically } from "../../host/atomic-file.ts";
import { endProcess, isAlive, type ProcessIdentity, startTimeOf } from "../../host/process.ts";
import { Hardware } from "../machine-spec.ts";
import { pidFileFlag } from "./launcher.ts";
import type { EngineLog } from "./log.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import { readRecordFile } from "./record-file.ts";

/** There is one of a machine that is whole: its root mounted, its identity known. Another is not taken over. */
export const MachineRecord = z.object({
  pid: z.int().positive(),
  startTime: z.number(),
  hardware: Hardware,
  /** 0 of those that were started before there were epochs. */
  epoch: z.int().nonnegative().default(0),
});
export type MachineRecord = z.infer<typeof MachineRecord>;

export async function writeRecord(paths: MachinePaths, record: MachineRecord): Promise<void> {
  // The process that it names would not survive what this would not.
  await writeAtomically(paths.record, `${JSON.stringify(record)}\n`, { durable: false });
}

/** Undefined when there is none. Throws machine_failed when it cannot be read, or is not what was written. */
export async function readRecord(paths: MachinePaths): Promise<MachineRecord | undefined> {
  try {
    return await readRecordFile(paths.record, MachineRecord);
  } catch (cause) {
    const message = `Cannot read the manifest "${paths.record}"`;
    const hint = "Boot from disk, which discards its memory: bhatti start --force <sandbox>";
    throw new BhattiError("machine_failed", message, { cause, hint });
  }
}

/** What runs of it from here on is not whole until it has a record again. */
export async function forgetRecord(paths: MachinePaths): Promise<void> {
  await rm(paths.record, { force: true });
}

/** The process that runs the machine, if it still does. */
export async function runningProcess(paths: MachinePaths): Promise<ProcessIdentity | undefined> {
  const record = await readRecord(paths).catch(() => undefined);
  if (record && isAlive(record)) return record;
  return await processOfPidFile(paths.pidFile);
}

/**
 * A daemon that died before it wrote a record left QEMU's own pid file. The pid alone may have been reused;
 * a process that has this very file in its arguments is not.
 */
async function processOfPidFile(pidFile: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(pidFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid)) return undefined;
  const process = await qemuProcess(pid);
  return process?.pidFile === pidFile ? process : undefined;
}

export async function endRunningProcess(paths: MachinePaths): Promise<void> {
  const identity = await runningProcess(paths);
  if (identity) await endProcess(identity);
}

/**
 * Ends every QEMU and every merge of layers of this data directory and runtime folder that does not run a machine: those that something was tried
 * with, and those whose daemon was killed before they had written their pid file. Before any is started.
 */
export async function endStrays(engine: EnginePaths, log: EngineLog): Promise<void> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stray = await strayProcess(engine, Number(name));
      if (stray) await endProcess(stray);
    } catch (error) {
      log.warn("an orphaned process may keep running", { pid: name, error: messageOf(error) });
    }
  }
}

async function strayProcess(
  engine: EnginePaths,
  pid: number,
): Promise<ProcessIdentity | undefined> {
  const merging = await mergingProcess(engine, pid);
  if (merging) return merging;
  const process = await qemuProcess(pid);
  if (!process) return undefined;
  const directory = dirname(process.pidFile);
  const parent = dirname(directory);
  if (![engine.machines, engine.golden, engine.runtime].includes(parent)) return undefined;
  if (!(await seesOurs(pid, parent))) return undefined;
  const isMachine = parent === engine.machines;
  const running = isMachine && (await runningProcess(machinePaths(engine, basename(directory))));
  return running && running.pid === process.pid ? undefined : process;
}

/** In a container the same path is another folder. */
async function seesOurs(pid: number, folder: string): Promise<boolean> {
  const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/root${folder}`), stat(folder)]);
  return theirs.dev === ours.dev && theirs.ino === ours.ino;
}

/** It would lock the layers of a machine's disk, and write to them. */
async function mergingProcess(
  engine: EnginePaths,
  pid: number,
): Promise<ProcessIdentity | undefined> {
  const startTime = startTimeOf(pid);
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (startTime === undefined || !command.startsWith("qemu-img\0commit\0")) return undefined;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  return folder.startsWith(`${await realpath(engine.machines)}/`) ? { pid, startTime } : undefined;
}

/** A process that was told to write a pid file. */
async function qemuProcess(
  pid: number,
): Promise<(ProcessIdentity & { pidFile: string }) | undefined> {
  const startTime = startTimeOf(pid);
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const pidFile = command.split(`\0${pidFileFlag}\0`)[1]?.split("\0")[0];
  return startTime === undefined || !pidFile ? undefined : { pid, startTime, pidFile };
}
