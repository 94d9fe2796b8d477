/** What is written down about a golden snapshot, last of all: and whether its files still are what they were. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { writeAtomically } from "../../host/atomic-file.ts";
import type { GoldenPaths } from "./paths.ts";
import type { Shape } from "./shape.ts";

export interface GoldenRecord extends Shape {
  key: string;
  state: { bytes: number; sha256: string };
}

export async function writeGoldenRecord(paths: GoldenPaths, record: GoldenRecord): Promise<void> {
  await writeAtomically(paths.record, JSON.stringify(record));
}

/** Undefined when there is none, or none that can be read: the snapshot does not exist then. */
export async function readGoldenRecord(paths: GoldenPaths): Promise<GoldenRecord | undefined> {
  return await readFile(paths.record, "utf8")
    .then(JSON.parse, () => undefined)
    .catch(() => undefined);
}

/** A snapshot from which no machine can be made, whoever tries: worse than none. */
export class UnusableSnapshot extends BhattiError {
  constructor(message: string, cause?: unknown) {
    super("machine_failed", message, { cause });
  }
}

/**
 * Before each use, as a guest from a damaged snapshot fails in ways that nobody can explain. The state is checked whole
 * (100 KB, under a millisecond), the memory by its size.
 */
export async function checkGolden(paths: GoldenPaths): Promise<void> {
  const record = await readGoldenRecord(paths);
  const damaged = (what: string) =>
    new UnusableSnapshot(`The golden snapshot "${paths.directory}" is damaged: ${what}`);
  if (!record) throw damaged("its record is gone");
  const ram = await stat(paths.ram).catch(() => undefined);
  const ramBytes = record.memoryMB * 1024 * 1024;
  if (ram?.size !== ramBytes) {
    throw damaged(`its memory has ${ram?.size ?? 0} bytes instead of ${ramBytes}`);
  }
  const state = await readFile(paths.state).catch(() => Buffer.alloc(0));
  if (createHash("sha256").update(state).digest("hex") !== record.state.sha256) {
    throw damaged(`its state of ${state.length} bytes has another checksum than it had`);
  }
}
