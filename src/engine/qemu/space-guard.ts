/**
 * Pauses machines before the disk of their memory is full. Memory files are sparse: a guest that touches new memory when
 * no block is free ends its QEMU by SIGBUS. Writes to its disk need no guard: QEMU itself pauses the guest.
 */
import { stat } from "node:fs/promises";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { DiskReserve } from "../../host/disk-reserve.ts";
import { type DiskSpace, diskSpaceOf, megabytes } from "../../host/disk-space.ts";
import type { EngineLog } from "./log.ts";

const lowBytes = 256 * 1024 * 1024;
/** Of the disk's size, on disks of less than 5 GB. */
const lowShare = 0.05;
/** Machines resume when there is this many times more than the limit. */
const resumeFactor = 1.5;
/** A guest allocates about a gigabyte a second at most. */
const nearMs = 150;
const farMs = 1_000;
const farFactor = 8;

interface GuardedMachine {
  readonly id: string;
  readonly paths: { ram: string };
  readonly isAwake: boolean;
  /** Stops its processors until the guard says that there is space. */
  holdForSpace(): Promise<void>;
}

export interface SpaceGuardOptions {
  /** Where memory files are. */
  directory: string;
  reserve: Pick<DiskReserve, "fill" | "releaseIfShort">;
  spaceOf?: typeof diskSpaceOf;
  machines(): Iterable<GuardedMachine>;
  log: EngineLog;
}

export class SpaceGuard {
  readonly #options: SpaceGuardOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #isLow = false;
  /** Those that could not be paused, which is logged once. */
  readonly #unpaused = new WeakSet<GuardedMachine>();

  constructor(options: SpaceGuardOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#look(), nearMs);
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Throws disk_full unless the machine may run: there is room, or all of its memory is allocated already. */
  async require({ paths }: Pick<GuardedMachine, "paths">): Promise<void> {
    const { directory, spaceOf = diskSpaceOf } = this.#options;
    const space = await spaceOf(directory);
    const limit = this.#limitOf(space);
    if (space.free >= limit || (await isAllocated(paths.ram))) return;
    const [free, needed] = [space.free, limit].map(megabytes);
    throw new BhattiError(
      "disk_full",
      `The VM stays paused because the host disk is nearly full: "${directory}" has ${free} MB free, and VMs run when ${needed} MB are free`,
    );
  }

  #limitOf(space: DiskSpace): number {
    return limitOf(space) * (this.#isLow ? resumeFactor : 1);
  }

  async #look(): Promise<void> {
    let delay = nearMs;
    try {
      const { directory, spaceOf = diskSpaceOf } = this.#options;
      const space = await spaceOf(directory);
      await this.#turn(space.free < this.#limitOf(space), space);
      if (space.free > limitOf(space) * farFactor) delay = farMs;
    } catch (error) {
      this.#options.log.warn("cannot check the free disk space", { error: messageOf(error) });
      delay = farMs;
    }
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#look(), delay);
    this.#timer.unref();
  }

  async #turn(isLow: boolean, space: DiskSpace): Promise<void> {
    const { directory, reserve, log } = this.#options;
    if (isLow !== this.#isLow) {
      this.#isLow = isLow;
      const fields = { directory, free_mb: megabytes(space.free) };
      if (isLow) log.warn("the disk is nearly full: pausing VMs", fields);
      else log.info("the disk has free space again: resuming VMs", fields);
    }
    if (!isLow) return await reserve.fill();
    const held = [...this.#options.machines()].filter(({ isAwake }) => isAwake);
    await Promise.all(held.map((machine) => this.#hold(machine)));
    await reserve.releaseIfShort();
  }

  /** Never throws: one machine that cannot be paused leaves the others, and the reserve, to be handled. */
  async #hold(machine: GuardedMachine): Promise<void> {
    try {
      if (await isAllocated(machine.paths.ram)) return;
      await machine.holdForSpace();
      this.#unpaused.delete(machine);
    } catch (error) {
      if (this.#unpaused.has(machine)) return;
      this.#unpaused.add(machine);
      const fields = { machine: machine.id, error: messageOf(error) };
      this.#options.log.warn("cannot pause a VM although the disk is nearly full", fields);
    }
  }
}

/**
 * Throws disk_full unless the disk of the directory has room for so much and stays above the limit at which machines
 * are paused: for work that makes later creates fast, and must not stop machines that run.
 */
export async function requireSpare(what: string, bytes: number, directory: string): Promise<void> {
  checkSpare(what, bytes, directory, await diskSpaceOf(directory));
}

export function checkSpare(what: string, bytes: number, directory: string, space: DiskSpace): void {
  const limit = limitOf(space);
  if (space.free >= bytes + limit) return;
  const [needed, kept, free] = [bytes, limit, space.free].map(megabytes);
  throw new BhattiError(
    "disk_full",
    `${what} needs ${needed} MB of disk space beside the ${kept} MB below which VMs are paused, but "${directory}" has ${free} MB free`,
  );
}

function limitOf({ total }: DiskSpace): number {
  return Math.min(lowBytes, Math.floor(total * lowShare));
}

async function isAllocated(path: string): Promise<boolean> {
  const { blocks, size } = await stat(path);
  return blocks * 512 >= size;
}
