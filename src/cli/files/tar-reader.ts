/** A tar stream's entries, one after the other, each with its content. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import { dataBytes, type Extent, readMap } from "./sparse.ts";
import {
  blockBytes,
  damaged,
  incompleteBlock,
  leftOutKey,
  nanosecondsOf,
  readBlock,
  readRecords,
  reasonKey,
  second,
  shrankKey,
  type TarEntry,
} from "./tar-header.ts";

export interface TarItem extends TarEntry {
  /** Must be read to its end before the next one is asked for. */
  content: AsyncIterable<Buffer>;
  /** The data extents of a sparse file, in the order of its content. */
  extents?: Extent[];
}

/** What the sender passed over. */
export interface LeftOut {
  /** Neither files nor directories nor links. */
  special: number;
  /** What the sender could not read. */
  unreadable: Unreadable[];
  /** Files that ended before their size: the stream is padded with zeros. */
  shrunk: Shrunk[];
}

export interface Unreadable {
  name: string;
  /** Absent from agents of earlier versions: no permission. */
  reason?: string;
}

export interface Shrunk {
  name: Buffer;
  from: number;
  to: number;
}

/** A longer name is nobody's file. */
const largestMeta = 1_048_576;

/** Extended headers for one entry and for all, and GNU's long names. */
const metaFlags = new Set(["x", "g", "L", "K"]);

interface Meta {
  name?: Buffer;
  target?: Buffer;
  size?: number;
  mtime?: bigint;
  sparse?: { name: Buffer; size: number };
}

/**
 * Understands POSIX and GNU archives. Throws bad_request when it is none, or not whole. `leftOut` is filled on the way.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  leftOut: LeftOut = { special: 0, unreadable: [], shrunk: [] },
): AsyncGenerator<TarItem> {
  const input = new Input(source);
  let meta: Meta = {};
  try {
    for (;;) {
      const block = await input.take(blockBytes);
      if (isZero(block) || block.equals(incompleteBlock)) {
        // Agents of earlier versions fail after the end of a stream with shrunk files.
        return await input.drain().catch((error) => {
          if (leftOut.shrunk.length === 0) throw error;
        });
      }
      const { flag, ...header } = readBlock(block);
      if (metaFlags.has(flag)) {
        const bytes = await input.meta(header.size);
        if (flag === "g") note(bytes, leftOut);
        else meta = { ...meta, ...metaOf(flag, bytes) };
        continue;
      }
      const { stored, ...item } = await itemOf(input, { ...header, flag }, meta);
      meta = {};
      yield item;
      for await (const _ of item.content) {
        // what nobody wanted
      }
      await input.take(-stored & (blockBytes - 1));
    }
  } finally {
    await input.end();
  }
}

/** With the length of its content in the stream. */
async function itemOf(
  input: Input,
  { flag, ...header }: ReturnType<typeof readBlock>,
  { sparse, ...known }: Meta,
): Promise<TarItem & { stored: number }> {
  const entry = { ...header, mtime: inNanoseconds(header.mtime), ...known, type: typeOf(flag) };
  const stored = sizeOf(entry);
  const extents = sparse && (await mapIn(input, sparse.size, stored));
  const content = input.content(extents ? dataBytes(extents) : stored);
  const { name, size } = sparse ?? { name: entry.name, size: stored };
  // The target of a symbolic link is not checked; a hard link names an entry of this stream.
  const target = entry.type === "link" ? relative(entry.target) : entry.target;
  return {
    ...entry,
    size,
    name: relative(name),
    target,
    content,
    ...(extents && { extents }),
    stored,
  };
}

function inNanoseconds(seconds: number): bigint {
  return BigInt(Math.trunc(seconds) || 0) * second;
}

function mapIn(input: Input, size: number, content: number): Promise<Extent[]> {
  return readMap((bytes) => input.take(bytes), { size, content });
}

/** Of its content, which links and directories have none of, whatever they say. */
function sizeOf({ type, size }: Pick<TarEntry, "type" | "size">): number {
  if (type !== "file" && type !== "other") return 0;
  if (!Number.isSafeInteger(size)) throw damaged("the size of an entry is not a number");
  return size;
}

function metaOf(flag: string, bytes: Buffer): Meta {
  if (flag === "L") return { name: upToZero(bytes) };
  if (flag === "K") return { target: upToZero(bytes) };
  const records = readRecords(bytes);
  const [name, target] = [records.get("path"), records.get("linkpath")];
  const number = (key: string) => Number(records.get(key)?.toString("latin1"));
  return {
    ...(name && { name }),
    ...(target && { target }),
    ...(records.has("size") && { size: number("size") }),
    ...(records.has("mtime") && { mtime: nanosecondsOf(String(records.get("mtime"))) }),
    ...sparseOf(records),
  };
}

function sparseOf(records: Map<string, Buffer>): Pick<Meta, "sparse"> {
  if (![...records.keys()].some((key) => key.startsWith("GNU.sparse."))) return {};
  const text = (key: string) => records.get(`GNU.sparse.${key}`)?.toString("latin1");
  const [name, size] = [records.get("GNU.sparse.name"), text("realsize") ?? ""];
  const isKnown = text("major") === "1" && text("minor") === "0";
  if (!isKnown || !name || !/^\d{1,15}$/.test(size)) {
    throw damaged("a sparse file in an unknown format");
  }
  return { sparse: { name: Buffer.from(name), size: Number(size) } };
}

function note(bytes: Buffer, leftOut: LeftOut): void {
  const records = readRecords(bytes);
  const [why, ...name] = records.get(leftOutKey)?.toString().split(" ") ?? [];
  if (why === "special") leftOut.special += 1;
  else if (why === "unreadable") {
    const reason = records.get(reasonKey)?.toString();
    leftOut.unreadable.push({ name: name.join(" "), ...(reason !== undefined && { reason }) });
  }
  const shrunk = records.get(shrankKey)?.toString("latin1");
  const [, from, to, shrunkName = ""] = /^(\d{1,15}) (\d{1,15}) (.+)$/s.exec(shrunk ?? "") ?? [];
  if (shrunkName === "") return;
  const path = relative(Buffer.from(shrunkName, "latin1"));
  leftOut.shrunk.push({ name: path, from: Number(from), to: Number(to) });
}

function typeOf(flag: string): TarEntry["type"] {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      return "file";
    case "1":
      return "link";
    case "2":
      return "symlink";
    case "5":
      return "directory";
    default:
      return "other";
  }
}

/** Without `./` and last slashes. Throws unsafe_path for one that leads elsewhere. */
function relative(name: Buffer): Buffer {
  const parts = name.toString("latin1").split("/");
  if (parts[0] === "" || parts.includes("..")) {
    throw new BhattiError("unsafe_path", `"${name}" in the tar stream is outside the directory`);
  }
  return Buffer.from(parts.filter((part) => part !== "" && part !== ".").join("/"), "latin1");
}

function upToZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** Bytes in the portions that are asked for. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#rest.length < bytes) {
      if (!(await this.#more())) throw damaged("unexpected end");
    }
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }

  async meta(bytes: number): Promise<Buffer> {
    if (!(bytes <= largestMeta)) throw damaged(`a name of ${bytes} bytes is too long`);
    const taken = Buffer.from(await this.take(bytes));
    await this.take(-bytes & (blockBytes - 1));
    return taken;
  }

  async *content(bytes: number): AsyncGenerator<Buffer> {
    for (let missing = bytes; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) throw damaged("unexpected end");
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  /** What comes after the end is padding. */
  async drain(): Promise<void> {
    this.#rest = Buffer.alloc(0);
    while (await this.#more()) this.#rest = Buffer.alloc(0);
  }

  async end(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #more(): Promise<boolean> {
    const next = await this.#pieces.next();
    if (next.done) return false;
    const { buffer, byteOffset, byteLength } = next.value;
    const piece = Buffer.from(buffer, byteOffset, byteLength);
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    return true;
  }
}
