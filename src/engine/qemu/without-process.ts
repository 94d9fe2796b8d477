/** Machines without a process: what there is of them, and how one that was suspended comes back. */
import { existsSync, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
import { topLinkOf } from "../../disks/layers.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineState } from "../engine.ts";
import { makeFolders } from "./folders.ts";
import { quitQemu } from "./launcher.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { endRunningProcess, forgetRecord, runningProcess, writeRecord } from "./record.ts";
import { restore } from "./restore.ts";
import { checkSavedState, dropSavedState, readSavedState } from "./saved-state.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function stateOf(paths: MachinePaths): Promise<MachineState> {
  // The link itself: whether what it leads to is there is a question of damage.
  if (!lstatSync(topLinkOf(paths.disk), { throwIfNoEntry: false })) return "gone";
  if (await runningProcess(paths)) return "running";
  return existsSync(paths.suspension) ? "suspended" : "off";
}

/** The machine is paused, and its saved state is as good as before. On failure its files are as they were. */
export async function resumeMachine(
  { engine, platform, id }: { engine: EnginePaths; platform: PreparedPlatform; id: string },
  signal: AbortSignal,
): Promise<QemuMachine> {
  const paths = machinePaths(engine, id);
  const watch = new Stopwatch();
  const record = await readSavedState(paths.suspension);
  if (!record) {
    throw new BhattiError("no_saved_state", `There is no saved state of machine ${id}`);
  }
  const { hardware } = record;
  await checkSavedState(paths, record, platform);
  await endRunningProcess(paths);
  await makeFolders(paths);
  faultPoint("resume.checked");
  watch.lap("check");
  const vmm = await restore({ paths, hardware, platform, from: paths, watch }, signal);
  const { process, qmp } = vmm;
  try {
    await writeRecord(paths, { pid: process.pid, startTime: process.startTime, hardware });
  } catch (error) {
    await quitQemu(vmm);
    throw error;
  }
  faultPoint("resume.recorded");
  const origin = { kind: "resumed" as const, steps: watch.steps };
  const parts = { id, paths, engine, hardware, platform, process, qmp, origin };
  return new QemuMachine({ ...parts, depth: "saved" });
}

/** The machine's memory is given up: only its disk is left. */
export async function forgetState(paths: MachinePaths): Promise<void> {
  await endRunningProcess(paths);
  await forgetRecord(paths);
  if (existsSync(dirname(paths.suspension))) await dropSavedState(paths.suspension, paths);
}
