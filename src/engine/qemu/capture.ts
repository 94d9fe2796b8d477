/** Keeps what a machine is at this moment, for other machines to be made from it. The machine itself goes on. */
import { copyFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { faultPoint } from "../../async/fault-point.ts";
import { chainOf, type Layer, sizesOf } from "../../disks/chain.ts";
import { cloneDisk, freezeTop, isImage, prepareTop } from "../../disks/layers.ts";
import { ownLayers } from "../../disks/merge.ts";
import { copySparse } from "../../disks/sparse-copy.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { makeDurable, writeAtomically } from "../../host/atomic-file.ts";
import { filesBelow } from "../../host/disk-use.ts";
import type { SnapshotFacts, SnapshotKind } from "../engine.ts";
import { Hardware } from "../machine-spec.ts";
import { useNewTop } from "./disk-switch.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import { makeMemory } from "./memory-file.ts";
import { saveState } from "./migration.ts";
import { makeOwnedFolder } from "./owned-folder.ts";
import type { MachinePaths, SnapshotPaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import {
  checkDisk,
  checkWhole,
  RecordedLayers,
  readSavedState,
  SavedStateRecord,
} from "./saved-state.ts";
import { shortenDisk } from "./shorten-disk.ts";

/** What is written down about a snapshot, in its folder. */
export const SnapshotRecord = z.discriminatedUnion("kind", [
  SavedStateRecord.extend({ kind: z.literal("full") }),
  z.object({
    kind: z.literal("filesystem"),
    hardware: Hardware,
    layers: RecordedLayers,
    savedAt: z.string(),
  }),
]);
export type SnapshotRecord = z.infer<typeof SnapshotRecord>;

const deepest = 200;

export interface CaptureTarget {
  paths: SnapshotPaths;
  kind: SnapshotKind;
}

/** Of a machine that has a process. It is paused for as long as its memory is copied. */
export async function captureRunning(
  machine: QemuMachine,
  { paths, kind }: CaptureTarget,
  signal: AbortSignal,
): Promise<SnapshotFacts> {
  return await orNothing(paths, machine.platform.hostId, async () => {
    const { hardware, platform } = machine;
    const { disk } = machine.paths;
    checkDepth(await chainOf(disk));
    if (kind === "full") await makeMemory(paths.ram, hardware.memoryMB);
    faultPoint("capture.memory-made");
    const top = await prepareTop(disk, signal);
    // Links alone: what is written until the guest is paused goes into the same files.
    await cloneDisk(disk, paths.disk, top);
    faultPoint("capture.disk-copied");
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rm(join(disk, top), { force: true }));
    const { pausedMs, result } = await machine.sleep.holdStill(signal, async () => {
      undo.move(); // it may be in use from here on
      await useNewTop(machine.qmp, disk, top, signal);
      faultPoint("capture.new-top-used");
      if (kind === "filesystem") return undefined;
      // Neither may still be going on when the guest goes on.
      const [saved, copied] = await Promise.allSettled([
        saveState(machine.qmp, paths.state, join(machine.paths.sockets, "state"), signal),
        copySparse(platform.tool, machine.paths.ram, paths.ram, signal),
      ]);
      if (saved.status === "rejected") throw saved.reason;
      if (copied.status === "rejected") throw copied.reason;
      faultPoint("capture.state-copied");
      return saved.value;
    });
    return await finish(paths, recordOf(machine, result), pausedMs);
  });
}

export interface MachineFiles {
  id: string;
  paths: MachinePaths;
  hardware: Hardware;
  platform: PreparedPlatform;
  log: EngineLog;
}

/** Captures a machine that is suspended or off, whose files do not change. */
export async function captureWithoutProcess(
  machine: MachineFiles,
  { paths, kind }: CaptureTarget,
  signal: AbortSignal,
): Promise<SnapshotFacts> {
  return await orNothing(paths, machine.platform.hostId, async () => {
    const { platform, hardware } = machine;
    const saved = await checkedState(machine.paths, kind);
    await shortenDisk(machine.id, machine.paths, machine.log, signal);
    checkDepth(await chainOf(machine.paths.disk));
    if (saved) {
      await makeMemory(paths.ram, saved.hardware.memoryMB);
      await copySparse(platform.tool, machine.paths.ram, paths.ram, signal);
      await copyFile(machine.paths.state, paths.state);
      faultPoint("capture.state-copied");
    }
    await freezeTop(machine.paths.disk, signal);
    await cloneDisk(machine.paths.disk, paths.disk);
    faultPoint("capture.disk-copied");
    const record: SnapshotRecord = saved
      ? { kind: "full", ...saved }
      : { kind: "filesystem", hardware, savedAt: new Date().toISOString() };
    return await finish(paths, record, 0);
  });
}

/** What there is to be captured besides the disk. Nothing that is damaged becomes a snapshot that looks well. */
async function checkedState(
  machine: MachinePaths,
  kind: SnapshotKind,
): Promise<SavedStateRecord | undefined> {
  if (kind === "full") {
    const saved = await readSavedState(machine.suspension);
    if (saved) await checkWhole(machine, saved);
    return saved;
  }
  // The disk may be all that there is to be rescued.
  const saved = await readSavedState(machine.suspension).catch(() => undefined);
  if (saved) await checkDisk(machine, saved);
  return undefined;
}

/** QEMU opens all of them at a start, and looks through all of them for what was never written. */
function checkDepth(chain: Layer[]): void {
  if (chain.length <= deepest) return;
  throw new BhattiError(
    "too_many_layers",
    `The disk has ${chain.length} layers (${ownLayers(chain).length} own, the others shared with snapshots and forks), the maximum is ${deepest}`,
  );
}

async function orNothing<T>(
  paths: SnapshotPaths,
  host: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    await makeOwnedFolder(paths.directory, host);
    return await work();
  } catch (error) {
    await rm(paths.directory, { recursive: true, force: true });
    throw error;
  }
}

function recordOf(
  { hardware, epoch, platform }: QemuMachine,
  state: SavedStateRecord["state"] | undefined,
): SnapshotRecord {
  const savedAt = new Date().toISOString();
  if (!state) return { kind: "filesystem", hardware, savedAt };
  const fingerprint = fingerprintOf(platform, hardware);
  return { kind: "full", hardware, epoch, fingerprint, state, savedAt };
}

/** Everything is on the disk before the record says that it exists. */
async function finish(
  paths: SnapshotPaths,
  record: SnapshotRecord,
  pausedMs: number,
): Promise<SnapshotFacts> {
  const files = await filesBelow(paths.directory);
  await Promise.all(files.map(({ path }) => makeDurable(path)));
  await makeDurable(paths.disk);
  faultPoint("capture.durable");
  const layers = sizesOf(await chainOf(paths.disk));
  await writeAtomically(paths.record, `${JSON.stringify({ ...record, layers })}\n`);
  faultPoint("capture.recorded");
  await makeDurable(dirname(paths.directory));
  const own = files.filter(({ path }) => !isImage(path));
  return { kind: record.kind, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0), pausedMs };
}
