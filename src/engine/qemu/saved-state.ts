/**
 * A guest that is kept in files: its memory and its device state, and what is written down about them, last of all. The
 * same for a machine that is suspended and for a snapshot of one.
 */
import { createHash } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { faultPoint } from "../../async/fault-point.ts";
import { damageOfDisk } from "../../disks/chain.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { makeDurable, writeAtomically } from "../../host/atomic-file.ts";
import { Hardware } from "../machine-spec.ts";
import { Fingerprint, incompatibility } from "./fingerprint.ts";
import { memoryBytes } from "./memory-file.ts";
import type { PreparedPlatform } from "./platform.ts";
import { readRecordFile } from "./record-file.ts";

/** The files of the disk and their sizes, see disks/chain.ts; those who wrote earlier records did not tell. */
export const RecordedLayers = z.record(z.string(), z.int().nonnegative()).exactOptional();

/** What is known of a file with a device state. */
export const StateFacts = z.object({ bytes: z.number(), sha256: z.string() });

export const SavedStateRecord = z.object({
  hardware: Hardware,
  /** Of the start that was saved; 0 of those that were saved before there were epochs. */
  epoch: z.int().nonnegative().default(0),
  fingerprint: Fingerprint,
  state: StateFacts,
  layers: RecordedLayers,
  /** RFC 3339, UTC. */
  savedAt: z.string(),
});
export type SavedStateRecord = z.infer<typeof SavedStateRecord>;

export interface SavedStateFiles {
  ram: string;
  state: string;
}

/** With the disk that the memory belongs to. */
export interface SavedMachineFiles extends SavedStateFiles {
  disk: string;
}

/** Durable when it returns: what it tells of must be durable before. */
export async function writeSavedState(path: string, record: SavedStateRecord): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none. Throws snapshot_damaged when it is not what was written. */
export async function readSavedState(path: string): Promise<SavedStateRecord | undefined> {
  try {
    return await readRecordFile(path, SavedStateRecord);
  } catch (cause) {
    const isFile = (cause as NodeJS.ErrnoException).code !== "EISDIR";
    if (isFile && !(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause;
    throw damaged(`"${path}" is not a record of a saved state`, cause);
  }
}

/** Before each use. Throws snapshot_incompatible, and snapshot_damaged. */
export async function checkSavedState(
  files: SavedMachineFiles,
  record: SavedStateRecord,
  platform: PreparedPlatform,
): Promise<void> {
  // A disk that is damaged is no better to boot from, which is what follows when the state does not fit here.
  await checkDisk(files, record);
  const reason = whyUnusable(record, platform);
  if (reason !== undefined) throw new BhattiError("snapshot_incompatible", reason);
  await checkMemory(files, record);
}

/** Also of a state that is not to be loaded here. Throws snapshot_damaged. */
export async function checkWhole(files: SavedMachineFiles, record: SavedStateRecord) {
  await checkDisk(files, record);
  await checkMemory(files, record);
}

/** Throws snapshot_damaged. */
export async function checkDisk(
  { disk }: { disk: string },
  record: Pick<SavedStateRecord, "layers">,
): Promise<void> {
  const damage = await damageOfDisk(disk, record.layers);
  if (damage !== undefined) throw damaged(damage);
}

async function checkMemory(files: SavedStateFiles, record: SavedStateRecord): Promise<void> {
  const damage = await damageOf(files, { ...record.hardware, state: record.state });
  if (damage !== undefined) throw damaged(damage);
}

/** Explains why QEMU would not load an undamaged state here; undefined when it would. */
export function whyUnusable(
  record: SavedStateRecord,
  platform: PreparedPlatform,
): string | undefined {
  const reason = incompatibility(record.fingerprint, platform, record.hardware);
  return reason && `The saved state is incompatible. ${reason}`;
}

/**
 * Returns what is wrong with the files, since a guest from damaged ones fails unpredictably. The state is checked
 * whole (100 KB, under a millisecond), the memory by its size.
 */
export async function damageOf(
  files: SavedStateFiles,
  expected: { memoryMB: number; state: { sha256: string } },
): Promise<string | undefined> {
  const ram = await stat(files.ram).catch(() => undefined);
  if (!ram) return "the memory file is missing";
  const ramBytes = memoryBytes(expected.memoryMB);
  if (ram.size !== ramBytes) return `the memory file has ${ram.size} bytes instead of ${ramBytes}`;
  const state = await readFile(files.state).catch(() => undefined);
  if (!state) return "the state file is missing";
  if (createHash("sha256").update(state).digest("hex") === expected.state.sha256) return undefined;
  return `the state file of ${state.length} bytes has a wrong checksum`;
}

/** From here on there is no state to go back to, also after a power cut. */
export async function dropSavedState(path: string, files: SavedStateFiles): Promise<void> {
  // Whatever there is in its place: a folder, too.
  await rm(path, { recursive: true, force: true });
  faultPoint("drop-state.record-gone");
  await makeDurable(dirname(path));
  await rm(files.state, { recursive: true, force: true });
  faultPoint("drop-state.state-gone");
}

function damaged(what: string, cause?: unknown): BhattiError {
  return new BhattiError("snapshot_damaged", `The saved state is damaged: ${what}`, { cause });
}
