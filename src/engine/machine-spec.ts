/** What of a machine can never change. */
export interface Hardware {
  /** Whole virtual CPUs. */
  cpus: number;
  memoryMB: number;
}

/** Everything a machine is made of, before it has an identity. */
export interface MachineSpec extends Hardware {
  image: MachineImage;
  /** Size of the root disk; the image's own size when undefined. Never smaller than the image. */
  diskSizeMB?: number;
}

export interface MachineImage {
  name: string;
  /** Changes whenever the content does; golden snapshots depend on it. */
  digest: string;
  /** A raw ext4 file system. */
  path: string;
}

/** Below this a guest does not boot reliably (measured: kernel, initramfs and agent need about 70 MB). */
export const minimumMemoryMB = 128;
