/**
 * A root disk as a folder: `top.qcow2`, which is written, over layers that never change. Every file names the one below
 * it by a name in the same folder, so a layer that several disks need is hard-linked into each of their folders: nobody
 * counts its users, and it is gone with the last of them.
 */
import { randomBytes } from "node:crypto";
import { copyFile, link, mkdir, open, readdir, realpath, rename, symlink } from "node:fs/promises";
import { join } from "node:path";
import { makeOverlay } from "./qcow2.ts";

const top = "top.qcow2";
const unfinishedTop = "top.new.qcow2";
const layerPattern = /^layer-[0-9a-f]{16}\.qcow2$/;

export interface BaseImage {
  digest: string;
  /** A raw file system. */
  path: string;
}

export function topOf(directory: string): string {
  return join(directory, top);
}

/** A disk of `bytes` over an image, which is never smaller than the image. */
export async function makeDisk(
  directory: string,
  image: BaseImage,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // QEMU takes what stands before a colon for a protocol.
  const name = `image-${image.digest.replaceAll(/[^\w.-]/g, "-")}.ext4`;
  await share(await realpath(image.path), join(directory, name));
  await makeOverlay(topOf(directory), { path: name, format: "raw" }, bytes, signal);
}

/** A disk of its own that starts with the content of another, whose top nobody writes any more. */
export async function cloneDisk(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of await readdir(from)) {
    if (name === top) await copyFile(topOf(from), topOf(to));
    else if (name !== unfinishedTop) await share(join(from, name), join(to, name));
  }
}

/**
 * Makes what was written so far a layer, and an empty top over it. A machine that runs goes on writing into the layer
 * until it is told of the new top; either way the folder holds what the machine sees.
 */
export async function freezeTop(directory: string, signal: AbortSignal): Promise<void> {
  const layer = `layer-${randomBytes(8).toString("hex")}.qcow2`;
  const bytes = await diskBytes(directory);
  const fresh = join(directory, unfinishedTop);
  await makeOverlay(fresh, { path: layer, format: "qcow2" }, bytes, signal);
  await link(topOf(directory), join(directory, layer));
  await rename(fresh, topOf(directory));
}

/** How many files that something was written to lie below the top. */
export async function depthOf(directory: string): Promise<number> {
  return (await readdir(directory)).filter((name) => layerPattern.test(name)).length;
}

/** The disk's size as the machine sees it (big-endian at byte 24 of a qcow2 header). */
export async function diskBytes(directory: string): Promise<number> {
  const file = await open(topOf(directory), "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(32), 0, 32, 0);
    return Number(buffer.readBigUInt64BE(24));
  } finally {
    await file.close();
  }
}

/** A file system of its own cannot hold a hard link: then what is linked to must stay where it is. */
async function share(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await symlink(from, to);
  }
}
