/** A machine as a copy of a golden snapshot: its memory, its device state and its disk. */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { within } from "../../async/deadline.ts";
import { makeOverlay } from "../../disks/qcow2.ts";
import { copySparse } from "../../disks/sparse-copy.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { rootBytes } from "./cold-boot.ts";
import { qemuArguments } from "./command-line.ts";
import { rootDevice, rootNode } from "./devices.ts";
import type { Golden } from "./golden-store.ts";
import { launchQemu, quitQemu, type Vmm } from "./launcher.ts";
import { QemuMachine, removeMachine } from "./machine.ts";
import { loadState } from "./migration.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { writeRecord } from "./record.ts";
import { Stopwatch } from "./stopwatch.ts";

const cloneDeadlineMs = 30_000;

export interface ClonePlan {
  id: string;
  spec: MachineSpec;
  golden: Golden;
  platform: PreparedPlatform;
  engine: EnginePaths;
  kind: "pool" | "restored";
}

/**
 * A machine that runs with its root mounted, its user processes frozen and no identity yet. On failure nothing is left.
 */
export async function cloneMachine(plan: ClonePlan, signal: AbortSignal): Promise<QemuMachine> {
  const paths = machinePaths(plan.engine, plan.id);
  try {
    return await within(cloneDeadlineMs, "Restoring a machine", signal, (until) =>
      clone(plan, paths, until),
    );
  } catch (error) {
    await removeMachine(plan.engine, plan.id);
    throw error;
  }
}

async function clone(
  plan: ClonePlan,
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<QemuMachine> {
  const watch = new Stopwatch();
  const diskBytes = await makeFiles(plan, paths, signal);
  watch.lap("files");
  const vmm = await restore(plan, paths, signal);
  watch.lap("restore");
  const { id, spec, golden, engine } = plan;
  const { pid, startTime } = vmm.process;
  await writeRecord(paths, {
    pid,
    startTime,
    spec,
    ...(golden.mounted && { golden: golden.name }),
  });
  const origin = { kind: plan.kind, steps: watch.steps };
  const machine = new QemuMachine({
    id,
    paths,
    engine,
    process: vmm.process,
    qmp: vmm.qmp,
    origin,
  });
  if (!golden.mounted) {
    await vmm.qmp.execute("block_resize", { "node-name": rootNode, size: diskBytes }, signal);
  }
  const guest = await machine.resume(signal);
  watch.lap("answer");
  if (!golden.mounted) {
    await guest.mountRoot({ device: rootDevice, grow: true }, signal);
    watch.lap("mount");
  }
  return machine;
}

/** Its memory and its disk. Returns the disk's size in bytes. */
async function makeFiles(
  plan: ClonePlan,
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<number> {
  for (const directory of [paths.directory, paths.sockets, dirname(paths.ram)]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  const [, bytes] = await Promise.all([
    copySparse(plan.golden.paths.ram, paths.ram, signal),
    makeDisk(plan, paths, signal),
  ]);
  return bytes;
}

async function makeDisk(plan: ClonePlan, paths: MachinePaths, signal: AbortSignal) {
  const bytes = await rootBytes(plan.spec);
  if (plan.golden.mounted) {
    await copyFile(plan.golden.paths.overlay, paths.disk);
    return bytes;
  }
  const below = relative(paths.directory, plan.spec.image.path);
  await makeOverlay(paths.disk, { path: below, format: "raw" }, bytes, signal);
  return bytes;
}

async function restore(plan: ClonePlan, paths: MachinePaths, signal: AbortSignal): Promise<Vmm> {
  const vmm = await launchQemu(
    {
      arguments: qemuArguments({
        platform: plan.platform,
        cpus: plan.spec.cpus,
        memoryMB: plan.spec.memoryMB,
        ram: paths.ram,
        root: { kind: "overlay", path: paths.disk },
        qmpSocket: paths.qmp,
        agentSocket: paths.agent,
        incoming: true,
      }),
      qmpSocket: paths.qmp,
      log: paths.log,
      pidFile: paths.pidFile,
      state: plan.golden.paths.state,
    },
    signal,
  );
  try {
    await loadState(vmm.qmp, signal);
    return vmm;
  } catch (error) {
    await quitQemu(vmm);
    throw error;
  }
}
