/** A machine from nothing: slower than a copy, and what is left when a copy cannot be had. */
import { within } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { topOf } from "../../disks/layers.ts";
import type { Hardware } from "../machine-spec.ts";
import { type Attachments, acquireBackends } from "./backends.ts";
import { bootGuest } from "./boot.ts";
import { deadlineMs } from "./deadlines.ts";
import { rootDevice } from "./devices.ts";
import { makeFolders } from "./folders.ts";
import { QemuMachine } from "./machine.ts";
import { makeMemory } from "./memory-file.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { prepareRoot, type Root } from "./root.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface BootPlan {
  id: string;
  hardware: Hardware;
  root: Root;
  platform: PreparedPlatform;
  engine: EnginePaths;
  attachments: Attachments;
}

/** A machine that runs with its root mounted and no identity yet. On failure no process is left; files are. */
export async function coldBoot(plan: BootPlan, signal: AbortSignal): Promise<QemuMachine> {
  const { id, hardware, engine, platform } = plan;
  const watch = new Stopwatch();
  const paths = machinePaths(engine, id);
  await makeFolders(paths, platform.hostId);
  faultPoint("cold-boot.folders-made");
  await makeMemory(paths.ram, hardware.memoryMB);
  await prepareRoot(plan.root, paths, signal);
  faultPoint("cold-boot.disk-made");
  watch.lap("files");
  await using backends = await acquireBackends(id, paths, plan.attachments, platform.nics);
  const { vmm, guest } = await bootGuest(
    {
      platform,
      cpus: hardware.cpus,
      memoryMB: hardware.memoryMB,
      ram: paths.ram,
      root: { kind: "overlay", path: await topOf(paths.disk) },
      qmpSocket: paths.qmp,
      agentSocket: paths.agent,
      card: backends.card,
      incoming: false,
    },
    paths,
    signal,
  );
  faultPoint("cold-boot.booted");
  watch.lap("boot");
  const { process, qmp } = vmm;
  const origin = { kind: "booted" as const, steps: watch.steps };
  const parts = { id, paths, engine, hardware, platform, process, qmp, origin, guest };
  const machine = new QemuMachine({ ...parts, depth: "awake", backends: backends.move() });
  try {
    await within(deadlineMs.mount, "Mounting the root disk", signal, (until) =>
      guest.mountRoot({ device: rootDevice, grow: true }, until),
    );
    faultPoint("cold-boot.mounted");
    watch.lap("mount");
    return machine;
  } catch (error) {
    await machine.halt();
    throw error;
  }
}
