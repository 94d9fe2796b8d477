/** Machines without a process: what there is of them, and how one that was suspended comes back. */
import { existsSync, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
import { topLinkOf } from "../../disks/layers.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineState } from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { Hardware } from "../machine-spec.ts";
import { acquireBackends } from "./backends.ts";
import { isOutdated } from "./epoch.ts";
import { makeFolders } from "./folders.ts";
import { quitQemu } from "./launcher.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { endRunningProcess, forgetRecord, runningProcess, writeRecord } from "./record.ts";
import { restore } from "./restore.ts";
import {
  checkSavedState,
  dropSavedState,
  readSavedState,
  type SavedStateRecord,
} from "./saved-state.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function stateOf(paths: MachinePaths): Promise<MachineState> {
  // The link itself: whether what it leads to is there is a question of damage.
  if (!lstatSync(topLinkOf(paths.disk), { throwIfNoEntry: false })) return "gone";
  if (await runningProcess(paths)) return "running";
  return existsSync(paths.suspension) ? "suspended" : "off";
}

export interface Resumption {
  engine: EnginePaths;
  platform: PreparedPlatform;
  id: string;
  config: MachineConfig;
}

/** The machine is paused, and its saved state is as good as before. On failure its files are as they were. */
export async function resumeMachine(
  { engine, platform, id, config }: Resumption,
  signal: AbortSignal,
): Promise<QemuMachine> {
  const paths = machinePaths(engine, id);
  const watch = new Stopwatch();
  const record = await readSavedState(paths.suspension);
  if (!record) {
    throw new BhattiError("no_saved_state", `VM ${id} has no saved state`);
  }
  const { hardware } = record;
  const { epoch } = config;
  checkStart(record, config);
  await checkSavedState(paths, record, platform);
  await endRunningProcess(paths);
  await makeFolders(paths, platform.hostId);
  faultPoint("resume.checked");
  watch.lap("check");
  await using backends = await acquireBackends(id, paths, config, platform.nics);
  const vmm = await restore(
    { paths, hardware, platform, from: paths, card: backends.card, watch },
    signal,
  );
  const { process, qmp } = vmm;
  try {
    const { pid, startTime } = process;
    await writeRecord(paths, { pid, startTime, hardware, epoch });
  } catch (error) {
    await quitQemu(vmm);
    throw error;
  }
  faultPoint("resume.recorded");
  const origin = { kind: "resumed" as const, steps: watch.steps };
  const parts = { id, paths, engine, hardware, epoch, platform, process, qmp, origin };
  return new QemuMachine({ ...parts, depth: "saved", backends: backends.move() });
}

/** Memory of an earlier start, or of another machine, does not fit the disk. Throws snapshot_incompatible. */
function checkStart(saved: SavedStateRecord, config: MachineConfig): void {
  const { hardware } = config;
  if (isOutdated(saved, config)) {
    const message = `The saved state is of start ${saved.epoch}, the last one was start ${config.epoch - 1}`;
    throw new BhattiError("snapshot_incompatible", message);
  }
  if (saved.hardware.cpus === hardware.cpus && saved.hardware.memoryMB === hardware.memoryMB)
    return;
  const size = ({ cpus, memoryMB }: Hardware) => `${cpus} CPUs and ${memoryMB} MB`;
  const message = `The saved state has ${size(saved.hardware)} instead of ${size(hardware)}`;
  throw new BhattiError("snapshot_incompatible", message);
}

/** The machine's memory is given up: only its disk is left. */
export async function forgetState(paths: MachinePaths): Promise<void> {
  await endRunningProcess(paths);
  await forgetRecord(paths);
  if (existsSync(dirname(paths.suspension))) await dropSavedState(paths.suspension, paths);
}
