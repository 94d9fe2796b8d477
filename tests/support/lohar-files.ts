/** What the tests of a guest's files share. */
import type { GuestBytes, GuestPath } from "../../src/agent/guest-files.ts";

export function at(path: string, user: GuestPath["user"] = "lohar"): GuestPath {
  return { path, user };
}

export async function bytesOf(content: GuestBytes): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function* piecesOf(...pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece;
}

export interface TarEntry {
  path: string;
  /** The letter in the header: 0 file, 1 hard link, 2 link, 5 directory. */
  kind?: string;
  content?: string | Uint8Array;
  target?: string;
  mode?: number;
}

/** A tar stream, with what no well-meaning tar would put into one. */
export function tarOf(...entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(encode), Buffer.alloc(1024)]);
}

function encode({ path, kind = "0", content = "", target = "", mode = 0o644 }: TarEntry): Buffer[] {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(path, 0, 100);
  header.write(octal(mode, 7), 100);
  header.write(octal(bytes.length, 11), 124);
  header.write(octal(1_600_000_000, 11), 136);
  header.write(" ".repeat(8), 148);
  header.write(kind, 156);
  header.write(target, 157, 100);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
