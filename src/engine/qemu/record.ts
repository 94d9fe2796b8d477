/** What is written down about a machine, so that a later daemon finds it again. */
import { readFile } from "node:fs/promises";
import { writeAtomically } from "../../host/atomic-file.ts";
import { endProcess, isAlive, type ProcessIdentity, startTimeOf } from "../../host/process.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { MachinePaths } from "./paths.ts";

export interface MachineRecord extends ProcessIdentity {
  spec: MachineSpec;
  /** The golden snapshot whose disk this one lies over, if any. */
  golden?: string;
}

export async function writeRecord(paths: MachinePaths, record: MachineRecord): Promise<void> {
  // The process that it names would not survive what this would not.
  await writeAtomically(paths.record, `${JSON.stringify(record)}\n`, { durable: false });
}

export async function readRecord(paths: MachinePaths): Promise<MachineRecord | undefined> {
  const text = await readFile(paths.record, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as MachineRecord);
}

/** The process that runs the machine, if it still does. */
export async function runningProcess(paths: MachinePaths): Promise<ProcessIdentity | undefined> {
  const record = await readRecord(paths).catch(() => undefined);
  if (record && isAlive(record)) return record;
  return fromPidFile(paths);
}

/**
 * A daemon that died before it wrote the record left QEMU's own pid file. The pid alone could be somebody else's by
 * now; a process that has this machine's socket in its arguments is not.
 */
async function fromPidFile(paths: MachinePaths): Promise<ProcessIdentity | undefined> {
  const pid = Number.parseInt(await readFile(paths.pidFile, "utf8").catch(() => ""), 10);
  if (!Number.isInteger(pid)) return undefined;
  const startTime = startTimeOf(pid);
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return startTime !== undefined && command.includes(paths.qmp) ? { pid, startTime } : undefined;
}

export async function endRunningProcess(paths: MachinePaths): Promise<void> {
  const identity = await runningProcess(paths);
  if (identity) await endProcess(identity);
}
