/** A machine from nothing: slower than a copy, and what is left when a copy cannot be had. */
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { makeOverlay } from "../../disks/qcow2.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { bootGuest } from "./boot.ts";
import { rootDevice } from "./devices.ts";
import { QemuMachine, removeMachine } from "./machine.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { writeRecord } from "./record.ts";
import { rootBytes } from "./shape.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface BootPlan {
  id: string;
  spec: MachineSpec;
  platform: PreparedPlatform;
  engine: EnginePaths;
}

/** A machine that runs with its root mounted and no identity yet. On failure nothing is left. */
export async function coldBoot(plan: BootPlan, signal: AbortSignal): Promise<QemuMachine> {
  try {
    return await boot(plan, signal);
  } catch (error) {
    await removeMachine(plan.engine, plan.id);
    throw error;
  }
}

async function boot(plan: BootPlan, signal: AbortSignal): Promise<QemuMachine> {
  const { id, spec, engine, platform } = plan;
  const watch = new Stopwatch();
  const paths = machinePaths(engine, id);
  for (const directory of [paths.directory, paths.sockets, dirname(paths.ram)]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await writeFile(paths.ram, "", { mode: 0o600 });
  await truncate(paths.ram, spec.memoryMB * 1024 * 1024);
  const bytes = await rootBytes(spec);
  const below = relative(paths.directory, spec.image.path);
  await makeOverlay(paths.disk, { path: below, format: "raw" }, bytes, signal);
  watch.lap("files");
  const { vmm, guest } = await bootGuest(
    {
      platform,
      cpus: spec.cpus,
      memoryMB: spec.memoryMB,
      ram: paths.ram,
      root: { kind: "overlay", path: paths.disk },
      qmpSocket: paths.qmp,
      agentSocket: paths.agent,
      incoming: false,
    },
    paths,
    signal,
  );
  watch.lap("boot");
  const { pid, startTime } = vmm.process;
  await writeRecord(paths, { pid, startTime, spec });
  const origin = { kind: "booted" as const, steps: watch.steps };
  const parts = { id, paths, engine, process: vmm.process, qmp: vmm.qmp, origin, guest };
  const machine = new QemuMachine(parts);
  await guest.mountRoot({ device: rootDevice, grow: true }, signal);
  watch.lap("mount");
  return machine;
}
