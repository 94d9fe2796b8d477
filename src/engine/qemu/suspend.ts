/** Keeps a machine that is paused in its own files, so that its process can go. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { faultPoint } from "../../async/fault-point.ts";
import { chainOf, sizesOf } from "../../disks/chain.ts";
import { isImage } from "../../disks/layers.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { makeDurable } from "../../host/atomic-file.ts";
import { filesBelow } from "../../host/disk-use.ts";
import type { Hardware } from "../machine-spec.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { memoryBytes } from "./memory-file.ts";
import { saveState } from "./migration.ts";
import type { MachinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Qmp } from "./qmp/qmp.ts";
import { writeSavedState } from "./saved-state.ts";

export interface PausedMachine {
  qmp: Qmp;
  paths: MachinePaths;
  hardware: Hardware;
  epoch: number;
  platform: PreparedPlatform;
}

/** All of it is on the disk when this returns, and its record was written last. */
export async function saveInPlace(machine: PausedMachine, signal: AbortSignal): Promise<void> {
  const { qmp, paths, hardware, epoch, platform } = machine;
  const [state] = await Promise.all([
    saveState(qmp, paths.state, join(paths.sockets, "state"), signal),
    makeDurable(paths.ram), // most of it, while QEMU is busy
  ]);
  faultPoint("suspend.state-saved");
  // QEMU has let go of the disk by now, and nothing changes any more.
  const files = (await filesBelow(paths.disk)).map(({ path }) => path);
  await Promise.all([paths.ram, ...files.filter((path) => !isImage(path))].map(makeDurable));
  await makeDurable(paths.disk);
  faultPoint("suspend.durable");
  await checkSize(paths.state, state.bytes);
  await checkSize(paths.ram, memoryBytes(hardware.memoryMB));
  const fingerprint = fingerprintOf(platform, hardware);
  const savedAt = new Date().toISOString();
  const layers = sizesOf(await chainOf(paths.disk));
  const record = { hardware, epoch, fingerprint, state, layers, savedAt };
  await writeSavedState(paths.suspension, record);
  faultPoint("suspend.recorded");
}

async function checkSize(path: string, bytes: number): Promise<void> {
  const { size } = await stat(path);
  if (size === bytes && bytes > 0) return;
  throw new BhattiError("machine_failed", `"${path}" has ${size} bytes instead of ${bytes}`);
}
