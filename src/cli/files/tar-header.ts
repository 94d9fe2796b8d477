/** The headers of a tar stream (POSIX.1-2001, as `tar --format=posix` writes it): names are bytes, of any length. */
import { BhattiError } from "../../errors/bhatti-error.ts";

export const blockBytes = 512;

export type TarType = "file" | "directory" | "symlink" | "link";

export interface TarEntry {
  /** Relative to the directory that is packed, without `./` and without a last slash. */
  name: Buffer;
  type: TarType | "other";
  size: number;
  /** Permission bits. */
  mode: number;
  /** Unix time, nanoseconds. */
  mtime: bigint;
  /** Of a symbolic link where it leads; of a hard link the name of an earlier entry. */
  target: Buffer;
}

const flags: Record<TarType, string> = { file: "0", link: "1", symlink: "2", directory: "5" };
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  target: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;
type Field = keyof typeof fields;

const largestOctal = 0o77777777777;
export const second = 1_000_000_000n;
/** For readers without support for sparse files. */
const sparseName = Buffer.from("GNUSparseFile.0/sparse");

/** A sparse file is stored as its map and its parts, which have so many bytes together. */
export interface Sparse {
  storedBytes: number;
}

/** One entry's header, with one before it for what does not fit into it. */
export function headerOf(entry: TarEntry & { type: TarType }, sparse?: Sparse): Buffer {
  const own = entry.type === "directory" ? Buffer.concat([entry.name, slash]) : entry.name;
  const name = sparse ? sparseName : own;
  const size = sparse?.storedBytes ?? entry.size;
  const seconds = floorSeconds(entry.mtime);
  const records = [
    ...(sparse
      ? [
          record("GNU.sparse.major", Buffer.from("1")),
          record("GNU.sparse.minor", Buffer.from("0")),
          record("GNU.sparse.name", own),
          record("GNU.sparse.realsize", Buffer.from(String(entry.size))),
        ]
      : []),
    ...(name.length > 100 ? [record("path", name)] : []),
    ...(entry.target.length > 100 ? [record("linkpath", entry.target)] : []),
    ...(size > largestOctal ? [record("size", Buffer.from(String(size)))] : []),
    ...(entry.mtime === BigInt(seconds) * second && isOctal(seconds)
      ? []
      : [record("mtime", Buffer.from(decimal(entry.mtime)))]),
  ];
  const block = blockOf({ ...entry, name, size, mtime: seconds, flag: flags[entry.type] });
  return records.length === 0 ? block : Buffer.concat([extended("x", records), block]);
}

/** A note about a stream, between two of its entries. */
export function noteOf(records: Record<string, string>): Buffer {
  const all = Object.entries(records);
  return extended(
    "g",
    all.map(([key, value]) => record(key, Buffer.from(value))),
  );
}

function extended(flag: "x" | "g", records: Buffer[]): Buffer {
  const content = Buffer.concat(records);
  const [name, size] = [Buffer.from("pax"), content.length];
  const block = blockOf({ name, target: empty, flag, size, mode: 0o644, mtime: 0 });
  return Buffer.concat([block, content, padding(size)]);
}

function floorSeconds(nanoseconds: bigint): number {
  const part = ((nanoseconds % second) + second) % second;
  return Number((nanoseconds - part) / second);
}

/** Nanoseconds as seconds, such as `-1.5`. */
function decimal(nanoseconds: bigint): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const part = String(size % second).padStart(9, "0");
  return `${nanoseconds < 0n ? "-" : ""}${size / second}.${part}`;
}

/** Seconds in decimal as nanoseconds; 0 when they are not. */
export function nanosecondsOf(text: string): bigint {
  const [, sign, whole = "0", part = ""] = /^(-?)(\d{1,12})(?:\.(\d+))?$/.exec(text) ?? [];
  const size = BigInt(whole) * second + BigInt(part.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -size : size;
}

function isOctal(mtime: number): boolean {
  return mtime >= 0 && mtime <= largestOctal;
}

/** In a header for all entries, from a sandbox: why something is missing (`unreadable`, `special`), a space, its name. */
export const leftOutKey = "BHATTI.left-out";

/** In the same header: the reason of the sender's kernel, such as `Permission denied`. */
export const reasonKey = "BHATTI.reason";

/** In such a header too: a file's size in its header, the size that it had, its name. The rest of its bytes are zeros. */
export const shrankKey = "BHATTI.shrank";

/** In place of a header, the last block of a stream with such files. Readers that ignore the records fail at it. */
export const incompleteBlock = Buffer.alloc(blockBytes);
incompleteBlock.write("BHATTI.incomplete", "latin1");

/** What follows so many bytes of content. */
export function padding(bytes: number): Buffer {
  return zeros.subarray(0, -bytes & (blockBytes - 1));
}

/** The end of a stream. */
export const tarEnd = Buffer.alloc(2 * blockBytes);

const empty = Buffer.alloc(0);
const slash = Buffer.from("/");
const zeros = Buffer.alloc(blockBytes);

interface Block {
  name: Buffer;
  target: Buffer;
  flag: string;
  size: number;
  mode: number;
  mtime: number;
}

function blockOf({ name, target, flag, size, mode, mtime }: Block): Buffer {
  const block = Buffer.alloc(blockBytes);
  const put = (field: Field, bytes: Buffer | string) => {
    const [at, length] = fields[field];
    if (typeof bytes === "string") block.write(bytes, at, length, "latin1");
    else bytes.copy(block, at, 0, length);
  };
  const octal = (field: Field, value: number) =>
    put(field, value.toString(8).padStart(fields[field][1] - 1, "0"));
  put("name", name);
  octal("mode", mode & 0o7777);
  octal("uid", 0);
  octal("gid", 0);
  octal("size", Math.min(size, largestOctal));
  octal("mtime", Math.min(Math.max(Math.floor(mtime), 0), largestOctal));
  put("type", flag);
  put("target", target);
  put("magic", "ustar\x0000");
  put("checksum", `${sumOf(block).toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** `length key=value\n`, where the length counts itself. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** With the checksum's own bytes taken for blanks. By index: an iterator takes ten times as long. */
function sumOf(block: Buffer): number {
  const [at, length] = fields.checksum;
  let sum = 0x20 * length;
  for (let index = 0; index < blockBytes; index += 1) {
    if (index < at || index >= at + length) sum += block[index] ?? 0;
  }
  return sum;
}

/** A header block as it was read; `flag` is the type's letter. */
export function readBlock(block: Buffer): Block {
  const bytes = (field: Field) => {
    const [at, length] = fields[field];
    const found = block.subarray(at, at + length);
    const end = found.indexOf(0);
    return end < 0 ? found : found.subarray(0, end);
  };
  const number = (field: Field) => numberOf(block.subarray(fields[field][0]), fields[field][1]);
  if (number("checksum") !== sumOf(block)) throw damaged("wrong checksum of a header");
  const isPosix = block.subarray(257, 263).toString("latin1") === "ustar\0";
  const prefix = isPosix ? bytes("prefix") : empty;
  const name = bytes("name");
  return {
    name: Buffer.from(prefix.length > 0 ? Buffer.concat([prefix, slash, name]) : name),
    target: Buffer.from(bytes("target")),
    flag: String.fromCharCode(block[156] ?? 0),
    size: number("size"),
    mode: number("mode"),
    mtime: number("mtime"),
  };
}

/** Octal digits, or with the first bit set a binary number. */
function numberOf(field: Buffer, length: number): number {
  const first = field[0] ?? 0;
  if (first & 0x80) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1, length)) value = value * 256 + byte;
    if (Number.isSafeInteger(value)) return value;
    return (first & 0x40) === 0 ? Number.NaN : 0; // a time before 1970
  }
  const digits = field
    .subarray(0, length)
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .trim();
  if (!/^[0-7]*$/.test(digits)) throw damaged("invalid number in a header");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** What an extended header says about the entry after it. */
export function readRecords(bytes: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.subarray(at, space).toString("latin1"));
    const equals = bytes.indexOf(0x3d, space);
    const end = at + length;
    const isWhole = space > at && equals > space && equals < end && end <= bytes.length;
    if (!isWhole) throw damaged("truncated extended header");
    found.set(
      bytes.subarray(space + 1, equals).toString("utf8"),
      bytes.subarray(equals + 1, end - 1),
    );
    at = end;
  }
  return found;
}

export function damaged(what: string): BhattiError {
  return new BhattiError("bad_request", `the tar stream is damaged: ${what}`);
}
