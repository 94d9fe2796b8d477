/** Lets a machine that runs write into a new top of its disk; what it wrote so far is a layer from then on. */
import { topOf } from "../../disks/layers.ts";
import { rootDiskId } from "./devices.ts";
import type { MachinePaths } from "./paths.ts";
import type { Qmp } from "./qmp/qmp.ts";

interface BlockInfo {
  qdev?: string;
  inserted?: { "node-name"?: string };
}

/** The top must lie there already, empty. Its backing is what the machine has open, whatever the file calls it. */
export async function useNewTop(qmp: Qmp, paths: MachinePaths, signal: AbortSignal): Promise<void> {
  const before = await rootNodeOf(qmp, signal);
  const overlay = `top-${crypto.randomUUID().slice(0, 8)}`;
  await qmp.execute(
    "blockdev-add",
    {
      "node-name": overlay,
      driver: "qcow2",
      discard: "unmap",
      backing: null,
      file: { driver: "file", filename: await topOf(paths.disk), locking: "off" },
    },
    signal,
  );
  await qmp.execute("blockdev-snapshot", { node: before, overlay }, signal);
}

/** The node that the machine writes its root disk to. */
export async function rootNodeOf(qmp: Qmp, signal: AbortSignal): Promise<string> {
  const devices = (await qmp.execute("query-block", {}, signal)) as BlockInfo[];
  const root = devices.find(({ qdev }) => qdev?.split("/").includes(rootDiskId));
  const node = root?.inserted?.["node-name"];
  if (node !== undefined) return node;
  throw new Error(`QEMU has no device ${rootDiskId}`);
}
