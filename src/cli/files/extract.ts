/** A tar stream from a sandbox → local files. */
import { bytesOf } from "../../contract/byte-text.ts";
import type { Progress } from "../terminal/progress.ts";
import { LocalTree } from "./local-tree.ts";
import { type LeftOut, readTar, type Shrunk, type TarItem } from "./tar-reader.ts";

export interface Extracted {
  entries: number;
  /** Devices and the like, which are not made here. */
  skipped: number;
  /** Names of what could not be read there. */
  unreadable: string[];
  /** Those of which only what was left could be read. */
  shrunk: Shrunk[];
}

/** Into the directory, which is made when it lacks. */
export async function extractInto(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
): Promise<Extracted> {
  const tree = new LocalTree(directory);
  const counts = { entries: 0, skipped: 0 };
  const leftOut: LeftOut = { special: 0, unreadable: [], shrunk: [] };
  try {
    for await (const item of readTar(tar, leftOut)) {
      if (item.type === "other") counts.skipped += 1;
      else counts.entries += 1;
      await place(tree, item, progress);
    }
  } finally {
    for (const { name, to } of leftOut.shrunk) tree.shorten(name, to);
  }
  tree.finish();
  const { special, unreadable, shrunk } = leftOut;
  return { entries: counts.entries, skipped: counts.skipped + special, unreadable, shrunk };
}

/** The one file of the stream, under another name. */
export async function extractFile(
  directory: string,
  name: string,
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
): Promise<Extracted> {
  const tree = new LocalTree(directory);
  return await extractOne(tar, (item) => place(tree, { ...item, name: bytesOf(name) }, progress));
}

/** The bytes of the one file of the stream. */
export async function extractBytes(
  write: (bytes: Uint8Array) => Promise<void>,
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
): Promise<Extracted> {
  return await extractOne(tar, async (item) => {
    for await (const piece of counted(item.content, progress)) await write(piece);
    progress.files += 1;
  });
}

async function extractOne(
  tar: AsyncIterable<Uint8Array>,
  take: (item: TarItem) => Promise<void>,
): Promise<Extracted> {
  let entries = 0;
  for await (const item of readTar(tar)) {
    if (item.type !== "file" || entries > 0) continue;
    entries += 1;
    await take(item);
  }
  return { entries, skipped: 0, unreadable: [], shrunk: [] };
}

async function place(tree: LocalTree, item: TarItem, progress: Progress): Promise<void> {
  switch (item.type) {
    case "directory":
      if (item.name.length > 0) tree.directory(item);
      return;
    case "symlink":
      tree.symlink(item);
      break;
    case "link":
      tree.link(item);
      break;
    case "file":
      await tree.file(item, counted(item.content, progress));
      break;
    case "other":
      return;
  }
  progress.files += 1;
}

async function* counted(content: AsyncIterable<Buffer>, progress: Progress) {
  for await (const piece of content) {
    progress.bytes += piece.length;
    yield piece;
  }
}
