/** Sparse files in a tar stream, in GNU's pax format 1.0: a map of the parts that have data, then their bytes. */
import { knowsHoles, nextData } from "./libc.ts";
import { blockBytes, damaged, padding } from "./tar-header.ts";

export interface Extent {
  offset: number;
  length: number;
}

const maxExtents = 65_536;
const zeros = Buffer.alloc(262_144);

/** Undefined for a file without holes. Beyond the maximum number of parts, the last one includes holes. */
export function extentsOf(
  descriptor: number,
  { size, blocks }: { size: number; blocks: number },
): Extent[] | undefined {
  if (blocks >= Math.floor(size / 512) || !knowsHoles(descriptor)) return undefined;
  const extents: Extent[] = [];
  for (let at = 0; at < size; ) {
    const data = nextData(descriptor, at);
    if (!data || data.start >= size) break;
    const end = extents.length === maxExtents - 1 ? size : Math.min(data.end, size);
    extents.push({ offset: data.start, length: end - data.start });
    at = end;
  }
  // GNU tar ends a file with its last part.
  const { offset, length } = extents.at(-1) ?? { offset: 0, length: 0 };
  if (offset + length < size) extents.push({ offset: size, length: 0 });
  return extents;
}

export function dataBytes(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

export function mapOf(extents: readonly Extent[]): Buffer {
  const numbers = [extents.length, ...extents.flatMap(({ offset, length }) => [offset, length])];
  const text = Buffer.from(numbers.map((number) => `${number}\n`).join(""));
  return Buffer.concat([text, padding(text.length)]);
}

type Take = (bytes: number) => Promise<Buffer>;

/** `take` returns the next bytes of the content. Throws bad_request unless it starts with a complete map. */
export async function readMap(
  take: Take,
  { size, content }: { size: number; content: number },
): Promise<Extent[]> {
  const { numbers, left } = await readNumbers(take, content);
  const [count = 0, ...rest] = numbers;
  const extents = Array.from({ length: count }, (_, at) => ({
    offset: rest[2 * at] ?? 0,
    length: rest[2 * at + 1] ?? 0,
  }));
  let end = 0;
  for (const { offset, length } of extents) {
    if (offset < end) throw damaged("overlapping parts of a sparse file");
    end = offset + length;
  }
  if (end > size || dataBytes(extents) !== left) throw damaged("wrong sizes in a sparse file");
  return extents;
}

/** Reads the map (the number of parts, then offset and length of each, in whole blocks) and the remaining length. */
async function readNumbers(take: Take, content: number) {
  const numbers: number[] = [];
  let text = "";
  for (let left = content - blockBytes; left >= 0; left -= blockBytes) {
    const lines = (text + (await take(blockBytes)).toString("latin1")).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (!/^\d{1,15}$/.test(line)) throw damaged("invalid map of a sparse file");
      numbers.push(Number(line));
      const count = numbers[0] ?? 0;
      if (count > maxExtents) throw damaged("a sparse file has too many parts");
      if (numbers.length === 1 + 2 * count) return { numbers, left };
    }
  }
  throw damaged("truncated map of a sparse file");
}

/** All bytes of a file, holes included. */
export async function* denseOf(
  content: AsyncIterable<Uint8Array>,
  extents: readonly Extent[],
  size: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const { offset, piece } of placed(content, extents)) {
    yield* hole(offset - at);
    yield piece;
    at = offset + piece.length;
  }
  yield* hole(size - at);
}

/** The pieces of the content, each with its place in the file. */
export async function* placed(
  content: AsyncIterable<Uint8Array>,
  extents: readonly Extent[],
): AsyncGenerator<{ offset: number; piece: Uint8Array }> {
  const parts = extents.values();
  let part = parts.next().value;
  let done = 0;
  for await (const piece of content) {
    for (let from = 0; from < piece.length; ) {
      while (part && done === part.length) [part, done] = [parts.next().value, 0];
      if (!part) return;
      const next = piece.subarray(from, from + part.length - done);
      yield { offset: part.offset + done, piece: next };
      [from, done] = [from + next.length, done + next.length];
    }
  }
}

function* hole(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= zeros.length) yield zeros.subarray(0, left);
}
