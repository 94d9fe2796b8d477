/** What is written down about a golden snapshot, last of all: and whether its files still are what they were. */
import { z } from "zod";
import { damageOfDisk } from "../../disks/chain.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { writeAtomically } from "../../host/atomic-file.ts";
import type { GoldenPaths } from "./paths.ts";
import { readRecordFile } from "./record-file.ts";
import { damageOf, RecordedLayers, StateFacts } from "./saved-state.ts";
import { Shape } from "./shape.ts";

export const GoldenRecord = Shape.extend({
  key: z.string(),
  state: StateFacts,
  layers: RecordedLayers,
});
export type GoldenRecord = z.infer<typeof GoldenRecord>;

export async function writeGoldenRecord(paths: GoldenPaths, record: GoldenRecord): Promise<void> {
  await writeAtomically(paths.record, JSON.stringify(record));
}

/** Undefined when there is none, or none that can be read: the snapshot does not exist then. */
export async function readGoldenRecord(paths: GoldenPaths): Promise<GoldenRecord | undefined> {
  return await readRecordFile(paths.record, GoldenRecord).catch(() => undefined);
}

/** A damaged snapshot, from which no machine can be made. */
export class UnusableSnapshot extends BhattiError {
  constructor(message: string, cause?: unknown) {
    super("machine_failed", message, { cause });
  }
}

/** Before each use. */
export async function checkGolden(paths: GoldenPaths): Promise<void> {
  const record = await readGoldenRecord(paths);
  const damage = record ? await damageIn(paths, record) : "the manifest is missing";
  if (damage === undefined) return;
  throw new UnusableSnapshot(`The golden snapshot "${paths.directory}" is damaged: ${damage}`);
}

async function damageIn(paths: GoldenPaths, record: GoldenRecord): Promise<string | undefined> {
  const damage = await damageOf(paths, record);
  // One without a root has no disk.
  if (damage !== undefined || !record.layers) return damage;
  return await damageOfDisk(paths.disk, record.layers);
}
