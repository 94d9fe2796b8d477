/** What a golden snapshot is of, and which one suits a machine. */
import { stat } from "node:fs/promises";
import type { z } from "zod";
import { Hardware, MachineImage, type MachineSpec } from "../machine-spec.ts";

export const Shape = Hardware.extend({
  /** The image whose root is mounted in it; none for a snapshot that serves every image. */
  image: MachineImage.exactOptional(),
});
export type Shape = z.infer<typeof Shape>;

/** With the image's root mounted, unless the disk is to be larger: a file system grows when it is mounted. */
export async function bestShape(spec: MachineSpec): Promise<Shape> {
  const { cpus, memoryMB, image } = spec;
  const isLarger = (await rootBytes(spec)) > (await imageBytes(image));
  return isLarger ? { cpus, memoryMB } : { cpus, memoryMB, image };
}

/** The root disk's size: what was asked for, never less than the image. */
export async function rootBytes(spec: MachineSpec): Promise<number> {
  return Math.max(await imageBytes(spec.image), (spec.diskSizeMB ?? 0) * 1024 * 1024);
}

async function imageBytes(image: MachineImage): Promise<number> {
  return (await stat(image.path)).size;
}
