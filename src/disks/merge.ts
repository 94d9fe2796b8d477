/**
 * Makes one layer of those that only one disk has, so that its chain stays short. Only while no process has the disk
 * open: QEMU remembers where in each layer the data lies.
 */
import { readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { faultPoint } from "../async/fault-point.ts";
import { makeDurable } from "../host/atomic-file.ts";
import { explained, run } from "../host/process.ts";
import { chainOf, type Layer } from "./chain.ts";
import { isLayer, pointTopAt } from "./layers.ts";

/** So many layers that nothing else needs are left alone: a merge costs a process and writes data again. */
export const mergeFrom = 4;
/** Limit on the bytes that one merge rewrites, as a use may wait for the machine: 1 GB takes some seconds. */
const amountBytes = 1024 * 1024 * 1024;

export interface Merge {
  /** It gets the content of those above it, and is the top then. */
  into: Layer;
  /** From the top down. */
  above: Layer[];
  /** What lies below, which stays as it is. */
  below: Layer[];
}

/** Those at the top that no other disk has: a layer that is shared has only shared ones below it. */
export function ownLayers(chain: Layer[]): Layer[] {
  const shared = chain.findIndex(({ isOwn }) => !isOwn);
  return shared < 0 ? chain : chain.slice(0, shared);
}

/** Undefined when it is not worth it. */
export function planMerge(chain: Layer[], limitBytes = amountBytes): Merge | undefined {
  const own = ownLayers(chain);
  if (own.length - 1 < mergeFrom) return undefined;
  let count = 0;
  for (let bytes = 0; count < own.length - 1; count += 1) {
    bytes += own[count]?.occupiedBytes ?? 0;
    if (bytes > limitBytes) break;
  }
  const into = own[count];
  if (!into || count === 0) return undefined;
  return { into, above: own.slice(0, count), below: chain.slice(count + 1) };
}

/**
 * Wherever it ends, the disk's content is the same: what is in the lower layer already is still overridden by those
 * above, until one rename makes the lower one the top. Throws when it could not be done.
 */
export async function merge(
  directory: string,
  { into, above }: Merge,
  signal: AbortSignal,
): Promise<void> {
  await checkSpace(directory, above);
  const [top] = above;
  if (!top) return;
  // Bare names, as in the layers: QEMU takes what stands before a colon for a protocol.
  const command = ["qemu-img", "commit", "-q", "-d", "-f", "qcow2", "-b", into.name, top.name];
  await explained(`Cannot merge the layers in "${directory}"`, () =>
    run(command, { signal, cwd: directory }),
  );
  faultPoint("merge.committed");
  await makeDurable(join(directory, into.name));
  faultPoint("merge.durable");
  await pointTopAt(directory, into.name);
  faultPoint("merge.pointed");
  await removeUnneeded(directory, await chainOf(directory));
  faultPoint("merge.removed");
}

/** Layers that the disk does not consist of: a daemon that was killed left them. */
export async function removeUnneeded(directory: string, chain: Layer[]): Promise<void> {
  const needed = new Set(chain.map(({ name }) => name));
  for (const name of await readdir(directory)) {
    if (isLayer(name) && !needed.has(name)) await rm(join(directory, name), { force: true });
  }
}

/** The last space is for what a machine writes. */
async function checkSpace(directory: string, above: Layer[]): Promise<void> {
  const needed = 2 * above.reduce((sum, { occupiedBytes }) => sum + occupiedBytes, 0);
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < needed) throw new Error(`"${directory}" has less than ${needed} bytes free`);
}
