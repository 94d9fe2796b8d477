/** Makes one golden snapshot: boots a guest, lets it settle, freezes it and saves what it is. */
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Guest } from "../../agent/guest.ts";
import { within } from "../../async/deadline.ts";
import { chainOf, sizesOf } from "../../disks/chain.ts";
import { freezeTop, makeDisk, topOf } from "../../disks/layers.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { makeDurable } from "../../host/atomic-file.ts";
import { bootGuest } from "./boot.ts";
import { deadlineMs } from "./deadlines.ts";
import { rootDevice } from "./devices.ts";
import { writeGoldenRecord } from "./golden-record.ts";
import { quitQemu } from "./launcher.ts";
import { makeMemory } from "./memory-file.ts";
import { saveState } from "./migration.ts";
import type { GoldenPaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Shape } from "./shape.ts";
import { requireSpare } from "./space-guard.ts";

/** A guest that was calibrated well measures 1.01 to 1.05, one that was not 1.3 and more. */
const latenessLimit = 1.15;
/** Of disk space. Snapshots of Debian and busybox take about 93 MB. */
export const goldenBytes = 128 * 1024 * 1024;

export interface GoldenBuild {
  /** Of the machine that boots. */
  id: string;
  key: string;
  shape: Shape;
  platform: PreparedPlatform;
  /** Where it is made; complete as soon as its record is there. */
  paths: GoldenPaths;
  /** Folder for the sockets that the making needs. */
  sockets: string;
  signal: AbortSignal;
}

export async function buildGolden(build: GoldenBuild): Promise<void> {
  const { paths, shape } = build;
  await requireSpare("A golden snapshot", goldenBytes, dirname(paths.directory));
  try {
    await mkdir(paths.directory, { recursive: true, mode: 0o700 });
    await mkdir(build.sockets, { recursive: true, mode: 0o700 });
    await makeMemory(paths.ram, shape.memoryMB);
    if (shape.image) {
      const { size } = await stat(shape.image.path);
      await makeDisk(paths.disk, shape.image, size, build.signal);
    }
    const state = await bootAndSave(build);
    await makeDurable(paths.ram);
    if (shape.image) {
      await makeDurable(await topOf(paths.disk));
      await freezeTop(paths.disk, build.signal);
      await makeDurable(paths.disk);
    }
    const layers = shape.image && sizesOf(await chainOf(paths.disk));
    await writeGoldenRecord(paths, { key: build.key, ...shape, state, ...(layers && { layers }) });
  } catch (error) {
    await rm(paths.directory, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(build.sockets, { recursive: true, force: true });
  }
}

async function bootAndSave(build: GoldenBuild) {
  const { paths, shape, signal } = build;
  const { nics } = build.platform;
  await using scope = new AsyncDisposableStack();
  scope.defer(async () => nics?.remove(build.id));
  const { vmm, guest } = await bootGuest(
    {
      platform: build.platform,
      cpus: shape.cpus,
      memoryMB: shape.memoryMB,
      ram: paths.ram,
      root: shape.image ? { kind: "overlay", path: await topOf(paths.disk) } : { kind: "none" },
      qmpSocket: join(build.sockets, "qmp"),
      agentSocket: join(build.sockets, "agent"),
      card: nics ? { kind: "tap", name: await nics.create(build.id) } : { kind: "none" },
      incoming: false,
    },
    paths,
    signal,
  );
  try {
    await checkTimers(guest, signal);
    if (shape.image) await settle(guest, signal);
    return await within(
      deadlineMs.saveGolden,
      "Saving a golden snapshot",
      signal,
      async (until) => {
        await guest.sync(until);
        await guest.freeze(until);
        guest.close();
        await vmm.qmp.execute("stop", {}, until);
        return await saveState(vmm.qmp, paths.state, join(build.sockets, "state"), until);
      },
    );
  } finally {
    guest.close();
    await quitQemu(vmm);
  }
}

/** Every copy would have the timers of this boot. */
async function checkTimers(guest: Guest, signal: AbortSignal): Promise<void> {
  const lateness = await within(deadlineMs.settle, "Checking timers", signal, (until) =>
    guest.timerLateness(until),
  );
  if (lateness > latenessLimit) throw new LateTimers(lateness);
}

/** The guest booted while the host was busy: another boot may do better. */
export class LateTimers extends BhattiError {
  constructor(lateness: number) {
    const limit = `the maximum is ${latenessLimit}`;
    super(
      "machine_failed",
      `Sleeps in the guest take ${lateness.toFixed(2)} times their duration; ${limit}`,
    );
  }
}

/** Runs one harmless command, so that what every command needs is in memory already. */
async function settle(guest: Guest, signal: AbortSignal): Promise<void> {
  await within(deadlineMs.settle, "Settling a golden snapshot", signal, async (until) => {
    await guest.mountRoot({ device: rootDevice, grow: false }, until);
    const request = { argv: ["true"], stdin: false, timeoutMs: deadlineMs.settle };
    const process = await guest.exec(request, until);
    for await (const _ of process) {
      // It prints nothing; its end is what we wait for.
    }
    await process.result;
  });
}
