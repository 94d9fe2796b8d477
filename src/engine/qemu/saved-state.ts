/**
 * A guest that is kept in files: its memory and its device state, and what is written down about them, last of all. The
 * same for a machine that is suspended and for a snapshot of one.
 */
import { createHash } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { makeDurable, writeAtomically } from "../../host/atomic-file.ts";
import type { Hardware } from "../machine-spec.ts";
import { type Fingerprint, incompatibility } from "./fingerprint.ts";
import { memoryBytes } from "./memory-file.ts";

export interface SavedStateRecord {
  hardware: Hardware;
  fingerprint: Fingerprint;
  state: { bytes: number; sha256: string };
  /** RFC 3339, UTC. */
  savedAt: string;
}

export interface SavedStateFiles {
  ram: string;
  state: string;
}

/** Durable when it returns: what it tells of must be durable before. */
export async function writeSavedState(path: string, record: SavedStateRecord): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none. Throws snapshot_damaged when it cannot be read. */
export async function readSavedState(path: string): Promise<SavedStateRecord | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (cause) {
    throw damaged(`"${path}" is not what was written`, cause);
  }
}

/** What was written durably and atomically is whole or somebody else's. */
function parse(text: string): SavedStateRecord {
  const record = JSON.parse(text) as Partial<SavedStateRecord>;
  const { hardware, fingerprint, state, savedAt } = record;
  if (hardware && fingerprint && state && savedAt)
    return { ...record, hardware, fingerprint, state, savedAt };
  throw new Error("it lacks what every saved state has");
}

/** Before each use, as a guest from a damaged state fails in ways that nobody can explain. */
export async function checkSavedState(
  files: SavedStateFiles,
  record: SavedStateRecord,
  here: Fingerprint,
): Promise<void> {
  const reason = incompatibility(record.fingerprint, here);
  if (reason !== undefined) {
    throw new BhattiError("snapshot_incompatible", `The saved state cannot be used: ${reason}`);
  }
  const ram = await stat(files.ram).catch(() => undefined);
  const ramBytes = memoryBytes(record.hardware.memoryMB);
  if (ram?.size !== ramBytes) {
    throw damaged(
      ram ? `its memory has ${ram.size} bytes instead of ${ramBytes}` : "its memory file is gone",
    );
  }
  const state = await readFile(files.state).catch(() => undefined);
  if (!state) throw damaged("its state file is gone");
  if (createHash("sha256").update(state).digest("hex") !== record.state.sha256) {
    throw damaged(`its state of ${state.length} bytes has another checksum than it had`);
  }
}

/** From here on there is no state to go back to, also after a power cut. */
export async function dropSavedState(path: string, files: SavedStateFiles): Promise<void> {
  await rm(path, { force: true });
  faultPoint("drop-state.record-gone");
  await makeDurable(dirname(path));
  await rm(files.state, { force: true });
  faultPoint("drop-state.state-gone");
}

function damaged(what: string, cause?: unknown): BhattiError {
  return new BhattiError("snapshot_damaged", `The saved state is damaged: ${what}`, { cause });
}
