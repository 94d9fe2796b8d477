/**
 * Keeps a part of the disk allocated for what has to work when the disk is full: starting the daemon, destroying
 * sandboxes, and pausing machines before they touch memory that cannot be allocated.
 */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { diskSpaceOf } from "./disk-space.ts";
import { run } from "./process.ts";

const largest = 64 * 1024 * 1024;
/** Of the disk's size, on disks of less than 6.4 GB. */
const share = 0.01;
const fillDeadlineMs = 10_000;

export class DiskReserve {
  readonly #directory: string;
  readonly #path: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, "reserve");
  }

  /** Frees the reserve when the disk has less room than the reserve gives. Returns whether it did. */
  async releaseIfShort(): Promise<boolean> {
    const { free, total } = await diskSpaceOf(this.#directory);
    return free < sizeFor(total) && (await this.release());
  }

  /** Returns whether there was anything to free. */
  async release(): Promise<boolean> {
    const { size } = await stat(this.#path).catch(() => ({ size: 0 }));
    await rm(this.#path, { force: true });
    return size > 0;
  }

  /** Allocates the reserve again when the disk has room for several of it. */
  async fill(): Promise<void> {
    const { free, total } = await diskSpaceOf(this.#directory);
    const size = sizeFor(total);
    const { size: present } = await stat(this.#path).catch(() => ({ size: 0 }));
    if (present >= size || free < 4 * size) return;
    const signal = AbortSignal.timeout(fillDeadlineMs);
    await run(["fallocate", "-l", String(size), this.#path], { signal });
  }
}

function sizeFor(total: number): number {
  return Math.min(largest, Math.floor(total * share));
}
