/** A machine as a copy of a kept one: its memory, its device state and its disk. */
import { within } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import type { Hardware } from "../machine-spec.ts";
import { type Attachments, acquireBackends } from "./backends.ts";
import { deadlineMs } from "./deadlines.ts";
import { rootDevice, rootNode } from "./devices.ts";
import { makeFolders } from "./folders.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { restore } from "./restore.ts";
import { prepareRoot, type Root } from "./root.ts";
import type { SavedStateFiles } from "./saved-state.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface ClonePlan {
  id: string;
  hardware: Hardware;
  from: SavedStateFiles;
  /** Whether the copied memory has the root mounted, which `root` is then a copy of. */
  mounted: boolean;
  root: Root;
  platform: PreparedPlatform;
  engine: EnginePaths;
  kind: "pool" | "restored";
  attachments: Attachments;
}

/**
 * A machine that runs with its root mounted, its user processes frozen and no identity yet. On failure no process is
 * left; files are.
 */
export async function cloneMachine(plan: ClonePlan, signal: AbortSignal): Promise<QemuMachine> {
  const { id, hardware, platform, engine, from, kind } = plan;
  const paths = machinePaths(engine, id);
  const watch = new Stopwatch();
  await makeFolders(paths, platform.hostId);
  faultPoint("clone.folders-made");
  const diskBytes = await prepareRoot(plan.root, paths, signal);
  faultPoint("clone.disk-made");
  watch.lap("disk");
  await using backends = await acquireBackends(id, paths, plan.attachments, platform.nics);
  const { process, qmp } = await restore(
    { paths, hardware, platform, from, card: backends.card, watch },
    signal,
  );
  const origin = { kind, steps: watch.steps };
  const parts = { id, paths, engine, hardware, platform, process, qmp, origin };
  const machine = new QemuMachine({ ...parts, depth: "paused", backends: backends.move() });
  try {
    if (!plan.mounted) {
      await qmp.execute("block_resize", { "node-name": rootNode, size: diskBytes }, signal);
    }
    const guest = await machine.sleep.runProcessors(signal);
    watch.lap("answer");
    if (!plan.mounted) {
      await within(deadlineMs.mount, "Mounting the root disk", signal, (until) =>
        guest.mountRoot({ device: rootDevice, grow: true }, until),
      );
      faultPoint("clone.mounted");
      watch.lap("mount");
    }
    return machine;
  } catch (error) {
    await machine.halt();
    throw error;
  }
}
