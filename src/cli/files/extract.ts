/** A tar stream from a sandbox → local files. */
import { bytesOf } from "../../contract/byte-text.ts";
import type { Progress } from "../terminal/progress.ts";
import { LocalTree, type TreeOptions } from "./local-tree.ts";
import { dataBytes, denseOf } from "./sparse.ts";
import { type LeftOut, readTar, type Shrunk, type TarItem, type Unreadable } from "./tar-reader.ts";

export interface Extracted {
  entries: number;
  /** Devices and the like, which are not made here. */
  skipped: number;
  /** What could not be read there. */
  unreadable: Unreadable[];
  /** Files that shrank while they were read. */
  shrunk: Shrunk[];
  /** Number of files without their set-user-ID or set-group-ID bit. */
  unprivileged: number;
}

/** Into the directory, which is made when it lacks. */
export async function extractInto(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
  options: TreeOptions = {},
): Promise<Extracted> {
  const tree = new LocalTree(directory, options);
  const counts = { entries: 0, skipped: 0 };
  const leftOut: LeftOut = { special: 0, unreadable: [], shrunk: [] };
  try {
    for await (const item of readTar(tar, leftOut)) {
      if (item.type === "other") counts.skipped += 1;
      else counts.entries += 1;
      await place(tree, item, progress);
    }
  } finally {
    for (const { name, from, to } of leftOut.shrunk) {
      tree.shorten(name, to);
      progress.bytes -= from - to;
    }
  }
  tree.finish();
  const { special, unreadable, shrunk } = leftOut;
  const skipped = counts.skipped + special;
  const { unprivileged } = tree;
  return { entries: counts.entries, skipped, unreadable, shrunk, unprivileged };
}

/** The one file of the stream, under another name. */
export async function extractFile(
  { directory, name }: { directory: string; name: string },
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
  options: TreeOptions = {},
): Promise<Extracted> {
  const tree = new LocalTree(directory, options);
  const extracted = await extractOne(tar, (item) =>
    place(tree, { ...item, name: bytesOf(name) }, progress),
  );
  return { ...extracted, unprivileged: tree.unprivileged };
}

/** The bytes of the one file of the stream. */
export async function extractBytes(
  write: (bytes: Uint8Array) => Promise<void>,
  tar: AsyncIterable<Uint8Array>,
  progress: Progress,
): Promise<Extracted> {
  return await extractOne(tar, async (item) => {
    const { content, extents, size } = item;
    const bytes = extents ? denseOf(content, extents, size) : content;
    for await (const piece of counted(bytes, progress)) await write(piece);
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
  return { entries, skipped: 0, unreadable: [], shrunk: [], unprivileged: 0 };
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
      if (item.extents) progress.bytes += item.size - dataBytes(item.extents);
      break;
    case "other":
      return;
  }
  progress.files += 1;
}

async function* counted(content: AsyncIterable<Uint8Array>, progress: Progress) {
  for await (const piece of content) {
    progress.bytes += piece.length;
    yield piece;
  }
}
