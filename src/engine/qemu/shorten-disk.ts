/** Keeps the disk of a machine without a process from getting ever more layers. */
import { faultPoint } from "../../async/fault-point.ts";
import { chainOf, sizesOf } from "../../disks/chain.ts";
import { type Merge, merge, planMerge, removeUnneeded } from "../../disks/merge.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import { deadlineMs } from "./deadlines.ts";
import type { EngineLog } from "./log.ts";
import type { MachinePaths } from "./paths.ts";
import { runningProcess } from "./record.ts";
import { readSavedState, writeSavedState } from "./saved-state.ts";

/** Merges the layers that only this machine has. It never fails: a disk with many layers is as good as one with few. */
export async function shortenDisk(
  id: string,
  paths: MachinePaths,
  log: EngineLog,
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs.merge)]);
  try {
    if (await runningProcess(paths)) return;
    const chain = await chainOf(paths.disk);
    await removeUnneeded(paths.disk, chain);
    const plan = planMerge(chain);
    if (!plan) return;
    const started = performance.now();
    await mergeRecorded(paths, plan, until);
    const ms = Math.round(performance.now() - started);
    log.debug("disk layers merged", { machine: id, layers: plan.above.length + 1, ms });
  } catch (error) {
    log.warn("cannot merge disk layers", { machine: id, error: messageOf(error) });
  }
}

/** Sizes that are about to change are not in the record meanwhile: it holds whenever the daemon ends. */
async function mergeRecorded(paths: MachinePaths, plan: Merge, signal: AbortSignal): Promise<void> {
  const record = await readSavedState(paths.suspension);
  if (!record?.layers) return await merge(paths.disk, plan, signal);
  await writeSavedState(paths.suspension, { ...record, layers: sizesOf(plan.below) });
  faultPoint("merge.sizes-forgotten");
  try {
    await merge(paths.disk, plan, signal);
  } finally {
    const layers = sizesOf(await chainOf(paths.disk));
    await writeSavedState(paths.suspension, { ...record, layers });
    faultPoint("merge.sizes-recorded");
  }
}
