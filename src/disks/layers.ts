/**
 * A root disk as a folder of layers, each naming the one below it by a name in the same folder. The link `top` says
 * which of them is written; the others never change. A layer that several disks need is hard-linked into each of their
 * folders: the file system counts its users and frees it with the last of them.
 *
 * A layer keeps its name for ever: QEMU opens files again by the names that it was started with.
 */
import { randomBytes } from "node:crypto";
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { basename, join } from "node:path";
import { faultPoint } from "../async/fault-point.ts";
import { makeDurable } from "../host/atomic-file.ts";
import { makeOverlay } from "./qcow2.ts";

const topLink = "top";
const unfinishedLink = "top.new";
const imagePrefix = "image-";
const layerPattern = /^layer-[0-9a-f]{16}\.qcow2$/;

export interface BaseImage {
  digest: string;
  /** A raw file system. */
  path: string;
}

/** The path of the layer that is written. */
export async function topOf(directory: string): Promise<string> {
  return join(directory, await readlink(topLinkOf(directory)));
}

/** What is there exactly when the disk is. */
export function topLinkOf(directory: string): string {
  return join(directory, topLink);
}

export function isLayer(name: string): boolean {
  return layerPattern.test(name);
}

/** Whether a file of a disk's folder is the image below everything, which was there before and stays. */
export function isImage(path: string): boolean {
  return basename(path).startsWith(imagePrefix);
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
  const name = `${imagePrefix}${image.digest.replaceAll(/[^\w.-]/g, "-")}.ext4`;
  await share(await realpath(image.path), join(directory, name));
  const top = newLayerName();
  await makeOverlay(join(directory, top), { path: name, format: "raw" }, bytes, signal);
  await pointTopAt(directory, top);
}

/**
 * A disk of its own that starts with the content of another, which `empty` lies over: its top, to which nothing was
 * written yet, or one that is to become its top. Durable when it returns.
 */
export async function cloneDisk(from: string, to: string, empty?: string): Promise<void> {
  empty ??= basename(await topOf(from));
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of await readdir(from)) {
    if (name === empty) continue;
    if (isImage(name)) await share(join(from, name), join(to, name));
    else if (isLayer(name)) await shareLayer(join(from, name), join(to, name));
  }
  const top = newLayerName();
  await copyFile(join(from, empty), join(to, top));
  await makeDurable(join(to, top));
  await pointTopAt(to, top);
}

/** Puts an empty top over what was written so far. Only while no machine writes the disk. */
export async function freezeTop(directory: string, signal: AbortSignal): Promise<void> {
  await pointTopAt(directory, await prepareTop(directory, signal));
}

/** An empty layer over the top, which nothing knows of until it is pointed at. Returns its name. */
export async function prepareTop(directory: string, signal: AbortSignal): Promise<string> {
  const below = basename(await topOf(directory));
  const top = newLayerName();
  const bytes = await diskBytes(directory);
  await makeOverlay(join(directory, top), { path: below, format: "qcow2" }, bytes, signal);
  faultPoint("freeze-top.overlay-made");
  return top;
}

/** The disk's size as the machine sees it (big-endian at byte 24 of a qcow2 header). */
export async function diskBytes(directory: string): Promise<number> {
  const file = await open(await topOf(directory), "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(32), 0, 32, 0);
    return Number(buffer.readBigUInt64BE(24));
  } finally {
    await file.close();
  }
}

function newLayerName(): string {
  return `layer-${randomBytes(8).toString("hex")}.qcow2`;
}

/** One rename: there is always one top, the old or the new. Durable when it returns. */
export async function pointTopAt(directory: string, layer: string): Promise<void> {
  const fresh = join(directory, unfinishedLink);
  await rm(fresh, { force: true });
  await symlink(layer, fresh);
  await rename(fresh, topLinkOf(directory));
  await makeDurable(directory);
}

/** A file system of its own cannot hold a hard link: then the image must stay where it is. */
async function share(from: string, to: string): Promise<void> {
  if (!(await linked(from, to))) await symlink(from, to);
}

/** Hard-links or copies a layer; one that is shared by a symbolic link could be merged or removed. */
async function shareLayer(from: string, to: string): Promise<void> {
  if (await linked(from, to)) return;
  await copyFile(from, to);
  await makeDurable(to);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    return false;
  }
}
