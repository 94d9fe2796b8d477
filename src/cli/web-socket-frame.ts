/** Frames of RFC 6455 ↔ bytes: what a client sends (masked) and what a server sends (not masked). */

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  final: boolean;
  opcode: number;
  payload: Uint8Array;
}

/** No message of ours comes near it; a peer that claims more is not speaking this protocol. */
const largestPayload = 64 * 1024 * 1024;

export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const length = payload.length;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = new Uint8Array(2 + extended + 4 + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) view.setUint16(2, length);
  if (extended === 8) view.setBigUint64(2, BigInt(length));
  const mask = crypto.getRandomValues(frame.subarray(2 + extended, 6 + extended));
  const body = frame.subarray(6 + extended);
  body.set(payload);
  for (let index = 0; index < length; index++)
    body[index] = (body[index] ?? 0) ^ (mask[index & 3] ?? 0);
  return frame;
}

/** Cuts a stream of bytes into frames. Throws when the bytes can't be frames of a server. */
export class FrameReader {
  #waiting: Uint8Array[] = [];
  #length = 0;

  push(chunk: Uint8Array): Frame[] {
    this.#waiting.push(chunk);
    this.#length += chunk.length;
    const frames: Frame[] = [];
    for (let next = this.#next(); next; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#length < 2) return undefined;
    const header = headerOf(this.#peek(10));
    if (!header || this.#length < header.size + header.payload) return undefined;
    const bytes = this.#peek(header.size + header.payload);
    this.#drop(header.size + header.payload);
    const payload = bytes.subarray(header.size, header.size + header.payload);
    return { final: header.final, opcode: header.opcode, payload };
  }

  /** At least `count` bytes in one piece, as far as there are that many. */
  #peek(count: number): Uint8Array {
    const [first] = this.#waiting;
    if (first && first.length >= Math.min(count, this.#length)) return first;
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#waiting) {
      joined.set(piece, at);
      at += piece.length;
    }
    this.#waiting = [joined];
    return joined;
  }

  #drop(count: number): void {
    const [first] = this.#waiting;
    if (!first) return;
    this.#length -= count;
    if (first.length === count) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(count);
  }
}

function headerOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [first = 0, second = 0] = bytes;
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0) throw new Error("not a WebSocket frame");
  const short = second & 0x7f;
  const size = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < size) return undefined;
  const payload =
    size === 2 ? short : size === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
  if (payload > largestPayload) throw new Error("a WebSocket frame beyond all bounds");
  return { final: (first & 0x80) !== 0, opcode: first & 0x0f, size, payload };
}
