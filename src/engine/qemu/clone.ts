/** A machine as a copy of a golden snapshot: its memory, its device state and its disk. */
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { settledWithin } from "../../async/deadline.ts";
import { makeOverlay } from "../../disks/qcow2.ts";
import { copySparse } from "../../disks/sparse-copy.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { qemuArguments } from "./command-line.ts";
import { rootDevice, rootNode } from "./devices.ts";
import { checkGolden, UnusableSnapshot } from "./golden-record.ts";
import type { Golden } from "./golden-store.ts";
import { launchQemu, quitQemu, type Vmm } from "./launcher.ts";
import { QemuMachine, removeMachine } from "./machine.ts";
import { loadState } from "./migration.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { writeRecord } from "./record.ts";
import { rootBytes } from "./shape.ts";
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
    return await settledWithin(cloneDeadlineMs, "Restoring a machine", signal, (until) =>
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
  watch.lap("disk");
  const vmm = await startWithMemory(plan, paths, signal);
  watch.lap("start");
  await load(vmm, signal);
  watch.lap("load");
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

/** Its folders, its memory's file, still empty, and its disk. Returns the disk's size in bytes. */
async function makeFiles(
  plan: ClonePlan,
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<number> {
  await checkGolden(plan.golden.paths);
  for (const directory of [paths.directory, paths.sockets, dirname(paths.ram)]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await writeFile(paths.ram, "", { mode: 0o600 });
  await truncate(paths.ram, plan.spec.memoryMB * 1024 * 1024);
  return await makeDisk(plan, paths, signal);
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

/**
 * The memory is copied while QEMU starts: until it is told to load the state it only maps the file. Both are over when
 * this returns or throws, so that nothing appears after a clean-up.
 */
async function startWithMemory(
  plan: ClonePlan,
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<Vmm> {
  const [copied, started] = await Promise.allSettled([
    copySparse(plan.platform.tool, plan.golden.paths.ram, paths.ram, signal),
    start(plan, paths, signal),
  ]);
  if (started.status === "rejected") throw started.reason;
  if (copied.status === "fulfilled") return started.value;
  await quitQemu(started.value);
  throw copied.reason;
}

function start(plan: ClonePlan, paths: MachinePaths, signal: AbortSignal): Promise<Vmm> {
  const { qmp, agent, ram, disk, log, pidFile } = paths;
  const qemu = qemuArguments({
    platform: plan.platform,
    cpus: plan.spec.cpus,
    memoryMB: plan.spec.memoryMB,
    ram,
    root: { kind: "overlay", path: disk },
    qmpSocket: qmp,
    agentSocket: agent,
    incoming: true,
  });
  const { state } = plan.golden.paths;
  return launchQemu({ arguments: qemu, qmpSocket: qmp, log, pidFile, state }, signal);
}

async function load(vmm: Vmm, signal: AbortSignal): Promise<void> {
  try {
    await loadState(vmm.qmp, signal);
  } catch (cause) {
    await quitQemu(vmm);
    if (signal.aborted) throw cause;
    throw new UnusableSnapshot(`QEMU does not take the state: ${messageOf(cause)}`, cause);
  }
}
