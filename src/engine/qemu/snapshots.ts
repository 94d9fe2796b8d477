/** What is kept of machines, by name. */
import { readdir, rm } from "node:fs/promises";
import { faultPoint } from "../../async/fault-point.ts";
import { damageOfDisk } from "../../disks/chain.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { SnapshotRecord } from "./capture.ts";
import { type EnginePaths, type SnapshotPaths, snapshotPaths } from "./paths.ts";
import { readRecordFile } from "./record-file.ts";
import { discard } from "./remove.ts";
import { damageOf } from "./saved-state.ts";

const namePattern = /^[0-9a-z_]{1,64}$/;

export function snapshotNamed(engine: EnginePaths, snapshot: string): SnapshotPaths {
  if (!namePattern.test(snapshot)) throw new Error(`Invalid snapshot id "${snapshot}"`);
  return snapshotPaths(engine, snapshot);
}

/** Errors: snapshot_damaged when it is not there, or not whole. */
export async function readSnapshot(paths: SnapshotPaths): Promise<SnapshotRecord> {
  let cause: unknown;
  const record = await readRecordFile(paths.record, SnapshotRecord).catch((error: unknown) => {
    cause = error;
  });
  if (record) return record;
  const what = cause === undefined ? "the manifest is missing" : "the manifest is unreadable";
  throw damaged(what, cause);
}

/** Before each use: its disk, and its memory where that is used. Errors: snapshot_damaged. */
export async function checkSnapshot(
  paths: SnapshotPaths,
  record: SnapshotRecord,
  withMemory: boolean,
): Promise<void> {
  const damage = await damageOfDisk(paths.disk, record.layers);
  if (damage !== undefined) throw damaged(damage);
  if (!withMemory || record.kind !== "full") return;
  const { hardware, state } = record;
  const loss = await damageOf(paths, { ...hardware, state });
  if (loss !== undefined) throw damaged(loss);
}

function damaged(what: string, cause?: unknown): BhattiError {
  return new BhattiError("snapshot_damaged", `The snapshot is damaged: ${what}`, {
    cause,
    hint: "Delete it: bhatti snapshot delete <snapshot>",
  });
}

export async function listSnapshots(engine: EnginePaths): Promise<string[]> {
  return (await readdir(engine.snapshots)).filter((name) => namePattern.test(name));
}

/** Its record goes first, so that nothing is made from what is half gone. */
export async function removeSnapshot(engine: EnginePaths, snapshot: string): Promise<void> {
  const { directory, record } = snapshotNamed(engine, snapshot);
  await rm(record, { recursive: true, force: true });
  faultPoint("remove-snapshot.record-gone");
  await discard(engine, directory, snapshot);
}
