/** A QEMU that has loaded a saved state: the guest is paused, and everything of it is in place. */
import { settledWithin } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { topOf } from "../../disks/layers.ts";
import { copySparse } from "../../disks/sparse-copy.ts";
import { isBhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { Hardware } from "../machine-spec.ts";
import { type CardBackend, qemuArguments } from "./command-line.ts";
import { crashDetail } from "./crash-detail.ts";
import { copyMs, deadlineMs } from "./deadlines.ts";
import { UnusableSnapshot } from "./golden-record.ts";
import { launchQemu, quitQemu, type Vmm } from "./launcher.ts";
import { makeMemory } from "./memory-file.ts";
import { loadState } from "./migration.ts";
import type { MachinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { SavedStateFiles } from "./saved-state.ts";
import type { Stopwatch } from "./stopwatch.ts";

export interface RestorePlan {
  paths: MachinePaths;
  hardware: Hardware;
  platform: PreparedPlatform;
  /** The state to load, and the memory that belongs to it: the machine's own, or another's, of which it gets a copy. */
  from: SavedStateFiles;
  card: CardBackend;
  watch: Stopwatch;
}

/** On failure no process is left; files are. Throws UnusableSnapshot when QEMU does not take the state. */
export async function restore(plan: RestorePlan, signal: AbortSignal): Promise<Vmm> {
  const isOwn = plan.from.ram === plan.paths.ram;
  const milliseconds = deadlineMs.restore + (isOwn ? 0 : copyMs(plan.hardware.memoryMB));
  return await settledWithin(milliseconds, "Restoring a VM", signal, async (until) => {
    const vmm = isOwn ? await start(plan, until) : await startWithCopy(plan, until);
    faultPoint("restore.started");
    plan.watch.lap("start");
    await load(vmm, plan.paths, until);
    faultPoint("restore.loaded");
    plan.watch.lap("load");
    return vmm;
  });
}

/**
 * The memory is copied while QEMU starts: until it is told to load the state it only maps the file. Both are over when
 * this returns or throws, so that nothing appears after a clean-up.
 */
async function startWithCopy(plan: RestorePlan, signal: AbortSignal): Promise<Vmm> {
  await makeMemory(plan.paths.ram, plan.hardware.memoryMB);
  faultPoint("restore.memory-made");
  const [copied, started] = await Promise.allSettled([
    copySparse(plan.platform.tool, plan.from.ram, plan.paths.ram, signal),
    start(plan, signal),
  ]);
  if (started.status === "rejected") throw started.reason;
  if (copied.status === "fulfilled") return started.value;
  await quitQemu(started.value);
  throw copied.reason;
}

async function start(
  { paths, hardware, platform, from, card }: RestorePlan,
  signal: AbortSignal,
): Promise<Vmm> {
  const { qmp, agent, ram, log, pidFile } = paths;
  const qemu = qemuArguments({
    platform,
    cpus: hardware.cpus,
    memoryMB: hardware.memoryMB,
    ram,
    root: { kind: "overlay", path: await topOf(paths.disk) },
    qmpSocket: qmp,
    agentSocket: agent,
    card,
    incoming: true,
  });
  return await launchQemu(
    { arguments: qemu, qmpSocket: qmp, log, pidFile, state: from.state },
    signal,
  );
}

async function load(vmm: Vmm, paths: MachinePaths, signal: AbortSignal): Promise<void> {
  try {
    await loadState(vmm.qmp, signal);
  } catch (cause) {
    await quitQemu(vmm);
    if (signal.aborted) throw cause;
    if (isBhattiError(cause, "machine_lost")) {
      throw new UnusableSnapshot(await crashDetail(paths), cause);
    }
    throw new UnusableSnapshot(`QEMU rejected the state: ${messageOf(cause)}`, cause);
  }
}
