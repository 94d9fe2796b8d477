/** A local directory, or one file, as a tar stream. Reading files one after the other is faster than many at once. */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { bytesOf, textOf } from "../../contract/byte-text.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { LocalError, reading } from "./local-error.ts";
import { shrunkText } from "./shrunk.ts";
import { dataBytes, type Extent, extentsOf, mapOf } from "./sparse.ts";
import { headerOf, padding, type TarEntry, type TarType, tarEnd } from "./tar-header.ts";
import type { Unreadable } from "./tar-reader.ts";

export interface PackOptions {
  /** Omits holes, which older agents refuse. */
  sparse: boolean;
}

export interface PackProgress {
  files: number;
  bytes: number;
  /** Neither files nor directories nor links. */
  skipped: number;
  /** What could not be read; the rest of a directory is packed. */
  unreadable: Unreadable[];
}

const pieceBytes = 262_144;
/** Smaller files are read before their header is sent. */
const smallBytes = 65_536;
const maxUnsizedBytes = 16 * 1024 * 1024;
const noTarget = Buffer.alloc(0);

type Piece = Uint8Array<ArrayBuffer>;

/** What is in the directory, under names relative to it. */
export function* packDirectory(
  path: string,
  progress: PackProgress,
  options: PackOptions,
): Generator<Piece> {
  const directory = bytesOf(path);
  yield* joined(treeOf(directory, listed(directory), noTarget, new Packer(progress, options)));
}

/** The file alone, under that name. */
export function* packFile(
  path: string,
  name: string,
  progress: PackProgress,
  options: PackOptions,
): Generator<Piece> {
  yield* joined(new Packer(progress, options).file(openFile(bytesOf(path), 0), bytesOf(name)));
}

/** How much there is to pack. */
export function measure(path: string): { files: number; bytes: number } {
  const sum = { files: 0, bytes: 0 };
  const add = (directory: Buffer) => {
    for (const name of listedIfReadable(directory)) {
      const child = below(directory, name);
      const stat = lstatSync(child, { throwIfNoEntry: false });
      if (stat?.isDirectory()) add(child);
      else if (stat?.isFile()) {
        sum.files += 1;
        sum.bytes += stat.size;
      }
    }
  };
  add(bytesOf(path));
  return sum;
}

function* treeOf(
  directory: Buffer,
  names: Buffer[],
  prefix: Buffer,
  packer: Packer,
): Generator<Buffer> {
  for (const name of names) {
    const path = below(directory, name);
    const packed = prefix.length > 0 ? below(prefix, name) : name;
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat) continue; // gone since
    if (stat.isDirectory()) {
      const inner = packer.ifReadable(packed, () => listed(path));
      yield packer.header(packed, "directory", stat);
      if (inner) yield* treeOf(path, inner, packed, packer);
    } else {
      yield* leafOf(path, packed, stat, packer);
    }
  }
}

function* leafOf(path: Buffer, name: Buffer, stat: BigIntStats, packer: Packer): Generator<Buffer> {
  if (stat.isSymbolicLink()) {
    const link = () => reading(path, () => readlinkSync(path, "buffer"));
    const target = packer.ifReadable(name, link);
    if (target) yield packer.header(name, "symlink", stat, { target });
  } else if (stat.isFile()) {
    const file = packer.ifReadable(name, () => openFile(path, constants.O_NOFOLLOW));
    if (file) yield* packer.file(file, name);
  } else {
    packer.progress.skipped += 1;
  }
}

class Packer {
  readonly progress: PackProgress;
  /** Files that have more names, by device and number: the name under which they were packed. */
  readonly #packed = new Map<string, Buffer>();

  readonly #options: PackOptions;

  constructor(progress: PackProgress, options: PackOptions) {
    this.progress = progress;
    this.#options = options;
  }

  header(
    name: Buffer,
    type: TarType,
    { mode, mtimeNs }: BigIntStats,
    { target = noTarget, size = 0 }: { target?: Buffer; size?: number } = {},
    extents?: Extent[],
  ): Buffer {
    const entry: TarEntry & { type: TarType } = {
      name,
      type,
      size,
      mode: Number(mode),
      mtime: mtimeNs,
      target,
    };
    if (type !== "directory") this.progress.files += 1;
    if (!extents) return headerOf(entry);
    const map = mapOf(extents);
    return Buffer.concat([headerOf(entry, { storedBytes: map.length + dataBytes(extents) }), map]);
  }

  /** Undefined, and noted, for what cannot be read. */
  ifReadable<T>(name: Buffer, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof LocalError)) throw error;
      this.progress.unreadable.push({ name: textOf(name), reason: error.reason });
      return undefined;
    }
  }

  *file({ path, descriptor, stat, content }: OpenFile, name: Buffer): Generator<Buffer> {
    try {
      const first = stat.nlink > 1n ? this.#firstOf(stat, name) : undefined;
      if (first) {
        yield this.header(name, "link", stat, { target: first });
        return;
      }
      const [size, blocks] = [content?.length ?? Number(stat.size), Number(stat.blocks)];
      const isSparse = this.#options.sparse && !content;
      const extents = isSparse ? extentsOf(descriptor, { size, blocks }) : undefined;
      yield this.header(name, "file", stat, { size }, extents);
      const stored = extents ?? [{ offset: 0, length: size }];
      if (content) yield content;
      else for (const extent of stored) yield* this.#bytes(descriptor, extent, path, size);
      this.progress.bytes += size - (content ? 0 : dataBytes(stored));
      yield padding(dataBytes(stored));
    } finally {
      closeSync(descriptor);
    }
  }

  #firstOf({ dev, ino }: BigIntStats, name: Buffer): Buffer | undefined {
    const id = `${dev}:${ino}`;
    const first = this.#packed.get(id);
    if (!first) this.#packed.set(id, name);
    return first;
  }

  *#bytes(
    descriptor: number,
    { offset, length }: Extent,
    path: Buffer,
    size: number,
  ): Generator<Buffer> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const piece = Buffer.allocUnsafe(Math.min(end - at, pieceBytes));
      const count = reading(path, () => readSync(descriptor, piece, 0, piece.length, at));
      if (count === 0) {
        const why = shrunkText({ from: size, to: at });
        throw new BhattiError("local_io", `cannot read "${path}": ${why}`);
      }
      at += count;
      this.progress.bytes += count;
      yield piece.subarray(0, count);
    }
  }
}

/** An open file, with its content if it is small: some files can be opened but not read. */
interface OpenFile {
  path: Buffer;
  descriptor: number;
  stat: BigIntStats;
  content: Buffer | undefined;
}

function openFile(path: Buffer, flags: number): OpenFile {
  const descriptor = reading(path, () => openSync(path, constants.O_RDONLY | flags));
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    const size = Number(stat.size);
    // Files of /proc and /sys have another size than stat reports.
    const content = size < smallBytes ? contentOf(descriptor, size, path) : undefined;
    return { path, descriptor, stat, content };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** At most `size` bytes, or all bytes of a file that reports size 0. */
function contentOf(descriptor: number, size: number, path: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let bytes = 0; size === 0 || bytes < size; ) {
    const piece = Buffer.allocUnsafe(size === 0 ? smallBytes : size - bytes);
    const count = reading(path, () => readSync(descriptor, piece, 0, piece.length, null));
    if (count === 0) break;
    bytes += count;
    if (bytes > maxUnsizedBytes) {
      const rule = "its size is unknown, and it has more than 16 MiB";
      throw new LocalError(`cannot read "${path}"`, rule);
    }
    pieces.push(piece.subarray(0, count));
  }
  return Buffer.concat(pieces);
}

/** Many small pieces are sent as one. */
function* joined(pieces: Iterable<Buffer>): Generator<Piece> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    if (piece.length === 0) continue;
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  yield Buffer.concat([...waiting, tarEnd]);
}

function listed(directory: Buffer): Buffer[] {
  return reading(directory, () => readdirSync(directory, { encoding: "buffer" }));
}

function listedIfReadable(directory: Buffer): Buffer[] {
  try {
    return listed(directory);
  } catch {
    return [];
  }
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), name]);
}
