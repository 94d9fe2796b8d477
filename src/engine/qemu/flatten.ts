/** Shortens the chain below a running machine's disk: what lies in its layers is copied into its top. */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pause } from "../../async/deadline.ts";
import { imageOf, layersBelow, topOf } from "../../disks/layers.ts";
import { makeDurable } from "../../host/atomic-file.ts";
import { rootNodeOf } from "./disk-switch.ts";
import type { MachinePaths } from "./paths.ts";
import type { Qmp } from "./qmp/qmp.ts";

const job = "flatten";
/** Bytes a second: it is background work on a disk that others use. */
const speed = 100 * 1024 * 1024;
const lookAgainMs = 100;

interface BlockNode {
  "node-name": string;
  file: string;
}

/** Ends early, with nothing changed, when the signal is aborted or `endFlattening` is called. Returns whether it is done. */
export async function flatten(
  qmp: Qmp,
  paths: MachinePaths,
  signal: AbortSignal,
): Promise<boolean> {
  const image = await imageOf(paths.disk);
  const nodes = (await qmp.execute("query-named-block-nodes", {}, signal)) as BlockNode[];
  const base = nodes.find(({ file }) => basename(file) === image)?.["node-name"];
  if (image === undefined || base === undefined) return false;
  const top = await rootNodeOf(qmp, signal);
  const layers = await layersBelow(paths.disk);
  await qmp.execute(
    "block-stream",
    { "job-id": job, device: top, "base-node": base, "backing-file": image, speed },
    signal,
  );
  while (await isFlattening(qmp, signal)) await pause(lookAgainMs, signal);
  const below = await backingOf(qmp, signal);
  if (below !== image) return false; // it was ended
  // QEMU still has some of what says where the data lies in its own memory.
  await qmp.execute("human-monitor-command", { "command-line": `qemu-io ${top} flush` }, signal);
  await makeDurable(await topOf(paths.disk));
  for (const name of layers) await rm(join(paths.disk, name), { force: true });
  return true;
}

/** Must be called before anything that does not go with it: a new top, or saving the machine's state. */
export async function endFlattening(qmp: Qmp, signal: AbortSignal): Promise<void> {
  if (!(await isFlattening(qmp, signal))) return;
  // It may end by itself just now.
  await qmp.execute("block-job-cancel", { device: job }, signal).catch(() => {});
  while (await isFlattening(qmp, signal)) await pause(1, signal);
}

async function isFlattening(qmp: Qmp, signal: AbortSignal): Promise<boolean> {
  const jobs = (await qmp.execute("query-block-jobs", {}, signal)) as { device: string }[];
  return jobs.some(({ device }) => device === job);
}

/** The name of the file right below the top. */
async function backingOf(qmp: Qmp, signal: AbortSignal): Promise<string | undefined> {
  const top = await rootNodeOf(qmp, signal);
  const nodes = (await qmp.execute("query-named-block-nodes", {}, signal)) as (BlockNode & {
    backing_file?: string;
  })[];
  const file = nodes.find((node) => node["node-name"] === top)?.backing_file;
  return file && basename(file);
}
