/** What is written down about a machine, so that a later daemon finds it again. */
import { readFile, rm } from "node:fs/promises";
import { writeAtomically } from "../../host/atomic-file.ts";
import { endProcess, isAlive, type ProcessIdentity, startTimeOf } from "../../host/process.ts";
import type { Hardware } from "../machine-spec.ts";
import type { MachinePaths } from "./paths.ts";

/** There is one of a machine that is whole: its root mounted, its identity known. Another is not taken over. */
export interface MachineRecord extends ProcessIdentity {
  hardware: Hardware;
}

export async function writeRecord(paths: MachinePaths, record: MachineRecord): Promise<void> {
  // The process that it names would not survive what this would not.
  await writeAtomically(paths.record, `${JSON.stringify(record)}\n`, { durable: false });
}

export async function readRecord(paths: MachinePaths): Promise<MachineRecord | undefined> {
  const text = await readFile(paths.record, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as MachineRecord);
}

/** What runs of it from here on is not whole until it has a record again. */
export async function forgetRecord(paths: MachinePaths): Promise<void> {
  await rm(paths.record, { force: true });
}

/** The process that runs the machine, if it still does. */
export async function runningProcess(paths: MachinePaths): Promise<ProcessIdentity | undefined> {
  const record = await readRecord(paths).catch(() => undefined);
  if (record && isAlive(record)) return record;
  return processOfPidFile(paths.pidFile);
}

/**
 * A daemon that died before it wrote a record left QEMU's own pid file. The pid alone could be somebody else's by now;
 * a process that has this very file in its arguments is not.
 */
async function processOfPidFile(pidFile: string): Promise<ProcessIdentity | undefined> {
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  if (!Number.isInteger(pid)) return undefined;
  const startTime = startTimeOf(pid);
  const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  return startTime !== undefined && words.includes(pidFile) ? { pid, startTime } : undefined;
}

export async function endRunningProcess(paths: MachinePaths): Promise<void> {
  const identity = await runningProcess(paths);
  if (identity) await endProcess(identity);
}

/** Ends the QEMU that wrote the file, if it still runs. */
export async function endProcessOfPidFile(pidFile: string): Promise<void> {
  const identity = await processOfPidFile(pidFile);
  if (identity) await endProcess(identity);
}
