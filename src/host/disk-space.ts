/** How much room a disk has. */
import { statfs } from "node:fs/promises";

export interface DiskSpace {
  /** Bytes, as a process without privileges sees them. */
  free: number;
  total: number;
}

export async function diskSpaceOf(path: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { free: bavail * bsize, total: blocks * bsize };
}

const fullDiskCodes: unknown[] = ["ENOSPC", "EDQUOT", "SQLITE_FULL", "disk_full"];

/** Whether the error, or what caused it, says that a disk has no room. */
export function isFullDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && fullDiskCodes.includes(error.code)) return true;
  return isFullDisk(error.cause);
}

export function megabytes(bytes: number): number {
  return Math.floor(bytes / (1024 * 1024));
}
