/** Takes the free space of a small disk that a test made, and gives it back. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { diskSpaceOf } from "../../src/host/disk-space.ts";
import { run } from "../../src/host/process.ts";
import { until } from "./until.ts";

const prefix = "filler-";

/**
 * Leaves so many bytes free at most: a guest that runs may take some meanwhile. With `dataDir` the reserve of that data
 * directory is taken too.
 */
export async function fillDisk(mount: string, free: number, dataDir?: string): Promise<void> {
  const isFilled = async () => {
    if (dataDir !== undefined) await rm(join(dataDir, "reserve"), { force: true });
    const taken = (await diskSpaceOf(mount)).free - free;
    if (taken <= 0) return true;
    const path = join(mount, `${prefix}${Bun.nanoseconds()}`);
    await run(["fallocate", "-l", String(taken), path]).catch(() => {});
    return false;
  };
  await until("the disk is filled", isFilled);
}

/** Until nothing more can be written to a file. A file system may keep some blocks for itself and call them free. */
export async function fillToTheLastBlock(mount: string, dataDir: string): Promise<void> {
  const isFull = async () => {
    await fillDisk(mount, 1 << 20, dataDir);
    const path = join(mount, `${prefix}${Bun.nanoseconds()}`);
    await run(["sh", "-c", `cat /dev/zero > ${path} 2> /dev/null; true`]);
    return (await stat(path)).size === 0;
  };
  await until("no block is free", isFull);
}

export async function freeDisk(mount: string): Promise<void> {
  for (const name of await readdir(mount)) {
    if (name.startsWith(prefix)) await rm(join(mount, name));
  }
}
