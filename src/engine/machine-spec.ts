/** What machines are made of. */
import { z } from "zod";

/** What of a machine can never change. */
export const Hardware = z.object({
  /** Whole virtual CPUs. */
  cpus: z.int().positive(),
  memoryMB: z.int().positive(),
});
export type Hardware = z.infer<typeof Hardware>;

/** A root disk over an image. */
export interface RootImage {
  image: MachineImage;
  /** Size of the root disk; the image's own size when undefined. Never smaller than the image. */
  diskSizeMB?: number;
}

/** Properties of a machine before it belongs to a sandbox. */
export interface MachineSpec extends Hardware, RootImage {}

export const MachineImage = z.object({
  name: z.string(),
  /** Changes whenever the content does; golden snapshots depend on it. */
  digest: z.string(),
  /** A raw ext4 file system. */
  path: z.string(),
});
export type MachineImage = z.infer<typeof MachineImage>;

/** Below this a guest does not boot reliably (measured: kernel, initramfs and agent need about 70 MB). */
export const minimumMemoryMB = 128;
