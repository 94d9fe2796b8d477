/** What is kept of machines, by name. */
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { faultPoint } from "../../async/fault-point.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { SnapshotRecord } from "./capture.ts";
import { type EnginePaths, type SnapshotPaths, snapshotPaths } from "./paths.ts";
import { discard } from "./remove.ts";

const namePattern = /^[0-9a-z_]{1,64}$/;

export function snapshotNamed(engine: EnginePaths, snapshot: string): SnapshotPaths {
  if (!namePattern.test(snapshot)) throw new Error(`"${snapshot}" cannot be a snapshot's name`);
  return snapshotPaths(engine, snapshot);
}

/** Errors: snapshot_damaged when it is not there, or not whole. */
export async function readSnapshot(paths: SnapshotPaths): Promise<SnapshotRecord> {
  try {
    const record = JSON.parse(await readFile(paths.record, "utf8")) as Partial<SnapshotRecord>;
    if (record.kind && record.hardware) return record as SnapshotRecord;
    throw new Error("it lacks what every snapshot has");
  } catch (cause) {
    const what = existsSync(paths.record) ? "its record cannot be read" : "it has no record";
    throw new BhattiError("snapshot_damaged", `The snapshot is damaged: ${what}`, {
      cause,
      hint: "Nothing can be made from it: bhatti snapshot delete <snapshot>",
    });
  }
}

export async function listSnapshots(engine: EnginePaths): Promise<string[]> {
  return (await readdir(engine.snapshots)).filter((name) => namePattern.test(name));
}

/** Its record goes first, so that nothing is made from what is half gone. */
export async function removeSnapshot(engine: EnginePaths, snapshot: string): Promise<void> {
  const { directory, record } = snapshotNamed(engine, snapshot);
  await rm(record, { force: true });
  faultPoint("remove-snapshot.record-gone");
  await discard(engine, directory, snapshot);
}
