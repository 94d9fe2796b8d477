/** Where a machine's root disk comes from. */
import { stat } from "node:fs/promises";
import { cloneDisk, diskBytes, makeDisk } from "../../disks/layers.ts";
import type { MachineImage } from "../machine-spec.ts";
import type { MachinePaths } from "./paths.ts";

export type Root =
  /** A new disk over an image, of so many bytes. */
  | { kind: "image"; image: MachineImage; bytes: number }
  /** A copy of a disk that does not change. */
  | { kind: "copy"; directory: string }
  /** The machine's own, as it was left. */
  | { kind: "own" };

/** Makes the disk unless it is there already. Returns its size in bytes. */
export async function prepareRoot(
  root: Root,
  { disk }: MachinePaths,
  signal: AbortSignal,
): Promise<number> {
  if (root.kind === "image") {
    await makeDisk(disk, root.image, root.bytes, signal);
    return root.bytes;
  }
  if (root.kind === "copy") await cloneDisk(root.directory, disk);
  return await diskBytes(disk);
}

export async function rootOnImage(image: MachineImage, diskSizeMB = 0): Promise<Root> {
  const { size } = await stat(image.path);
  return { kind: "image", image, bytes: Math.max(size, diskSizeMB * 1024 * 1024) };
}
