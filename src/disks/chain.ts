/** What a disk's folder really holds: the files that the disk consists of, as each names the one below it. */
import { lstat, open, readlink, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { BhattiError } from "../errors/bhatti-error.ts";
import { isImage, topLinkOf } from "./layers.ts";

export interface Layer {
  name: string;
  /** Its length; what it occupies is less. */
  bytes: number;
  occupiedBytes: number;
  /** No other disk has it, so that it may change. */
  isOwn: boolean;
}

/** The content of a disk's files is not compared; that each is as long as it was finds those that were cut short. */
export type LayerSizes = Record<string, number>;

/** A disk from which nothing can be read, or only some of it. */
export class BrokenDisk extends BhattiError {
  /** As a part of a sentence. */
  readonly what: string;

  constructor(directory: string, what: string) {
    super("machine_failed", `The disk in "${directory}" is damaged: ${what}`, {
      hint: "Create a sandbox from a snapshot of it, or destroy it: bhatti destroy <sandbox>",
    });
    this.what = what;
  }
}

/** From the top down to the image. Throws BrokenDisk when a file is missing, or names none below it. */
export async function chainOf(directory: string): Promise<Layer[]> {
  const top = await readlink(topLinkOf(directory)).catch(() => undefined);
  if (top === undefined) {
    throw new BrokenDisk(directory, `link "${basename(topLinkOf(directory))}" is missing`);
  }
  const chain: Layer[] = [];
  for (let name: string | undefined = top; name !== undefined; ) {
    chain.push(await layerOf(directory, name));
    if (isImage(name)) break;
    const below = await nameBelow(directory, name);
    if (chain.some((layer) => layer.name === below)) {
      throw new BrokenDisk(directory, `disk layer ${name} is its own backing file`);
    }
    name = below;
  }
  return chain;
}

export function sizesOf(chain: Layer[]): LayerSizes {
  return Object.fromEntries(chain.map(({ name, bytes }) => [name, bytes]));
}

/** What is wrong with a disk whose files had these sizes; of one that was not written down what can be seen at once. */
export async function damageOfDisk(
  directory: string,
  sizes: LayerSizes = {},
): Promise<string | undefined> {
  for (const [name, bytes] of Object.entries(sizes)) {
    const size = (await stat(join(directory, name)).catch(() => undefined))?.size;
    if (size === undefined) return gone(name);
    if (size !== bytes) return `${kindOf(name)} ${name} has ${size} bytes instead of ${bytes}`;
  }
  try {
    await chainOf(directory);
    return undefined;
  } catch (error) {
    if (error instanceof BrokenDisk) return error.what;
    throw error;
  }
}

async function layerOf(directory: string, name: string): Promise<Layer> {
  const path = join(directory, name);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new BrokenDisk(directory, gone(name));
  const isLink = (await lstat(path)).isSymbolicLink();
  return {
    name,
    bytes: found.size,
    occupiedBytes: found.blocks * 512,
    isOwn: found.nlink === 1 && !isLink && !isImage(name),
  };
}

const magic = 0x51_46_49_fb;

/** Out of a qcow2 header, whose numbers are big-endian: at 8 where the name stands, at 16 how long it is. */
async function nameBelow(directory: string, name: string): Promise<string | undefined> {
  const unreadable = new BrokenDisk(directory, `disk layer ${name} is not a valid qcow2 file`);
  const file = await open(join(directory, name), "r").catch(() => undefined);
  if (!file) throw unreadable;
  try {
    const header = Buffer.alloc(4096);
    const { bytesRead } = await file.read(header, 0, header.length, 0);
    if (bytesRead < 72 || header.readUInt32BE(0) !== magic) throw unreadable;
    const [at, length] = [Number(header.readBigUInt64BE(8)), header.readUInt32BE(16)];
    if (at === 0) return undefined;
    if (at + length > bytesRead) throw unreadable;
    const below = header.toString("utf8", at, at + length);
    if (below === "" || basename(below) !== below) throw unreadable;
    return below;
  } finally {
    await file.close();
  }
}

function gone(name: string): string {
  return `${kindOf(name)} ${name} is missing`;
}

function kindOf(name: string): string {
  return isImage(name) ? "image" : "disk layer";
}
