/** Lets a machine that runs write into a new top of its disk; what it wrote so far is a layer from then on. */
import { join } from "node:path";
import { pointTopAt } from "../../disks/layers.ts";
import { rootDiskId } from "./devices.ts";
import type { Qmp } from "./qmp/qmp.ts";

interface BlockInfo {
  qdev?: string;
  inserted?: { "node-name"?: string };
}

/**
 * `top` lies there already, empty; its backing is what the machine has open. The folder is told before the machine:
 * should it not come to that, the machine goes on writing to what the folder has below its top, and nothing is lost.
 */
export async function useNewTop(
  qmp: Qmp,
  disk: string,
  top: string,
  signal: AbortSignal,
): Promise<void> {
  const node = await rootNodeOf(qmp, signal);
  const overlay = `top-${crypto.randomUUID().slice(0, 8)}`;
  const file = { driver: "file", filename: join(disk, top), locking: "off" };
  const layer = { "node-name": overlay, driver: "qcow2", discard: "unmap", backing: null, file };
  await qmp.execute("blockdev-add", layer, signal);
  await pointTopAt(disk, top);
  await qmp.execute("blockdev-snapshot", { node, overlay }, signal);
}

async function rootNodeOf(qmp: Qmp, signal: AbortSignal): Promise<string> {
  const devices = (await qmp.execute("query-block", {}, signal)) as BlockInfo[];
  const root = devices.find(({ qdev }) => qdev?.split("/").includes(rootDiskId));
  const node = root?.inserted?.["node-name"];
  if (node !== undefined) return node;
  throw new Error(`QEMU has no device ${rootDiskId}`);
}
