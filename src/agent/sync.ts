/** How the two sides find the start of their conversation on a line that may hold the rest of an earlier one. */
import { maxFrameBytes } from "./frame.ts";

const markerText = "bhatti sync v1\r\n";
const nonceBytes = 16;
export const markerBytes = markerText.length + nonceBytes;

export function newNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(nonceBytes));
}

/** The marker with its nonce: what the guest repeats. */
export function markerWith(nonce: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(markerText), nonce]);
}

/** What the host starts with: zeros that complete any frame the guest has half read, then the marker. */
export function preamble(nonce: Uint8Array): Uint8Array {
  return Buffer.concat([new Uint8Array(maxFrameBytes), markerWith(nonce)]);
}

/** Looks for one marker in bytes that come in chunks. Keeps less than a marker's length of them. */
export class MarkerHunt {
  readonly #marker: Buffer;
  #tail: Buffer = Buffer.alloc(0);

  constructor(nonce: Uint8Array) {
    this.#marker = Buffer.from(markerWith(nonce));
  }

  /** Where in the chunk the first byte after the marker is; undefined if the marker does not end in this chunk. */
  find(chunk: Uint8Array): number | undefined {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const kept = this.#tail.length;
    // Only a chunk's first bytes can complete a marker that began before.
    const seam = Buffer.concat([this.#tail, bytes.subarray(0, markerBytes - 1)]);
    const overSeam = seam.indexOf(this.#marker);
    if (overSeam >= 0) return this.#found(overSeam + markerBytes - kept);
    const inside = bytes.indexOf(this.#marker);
    if (inside >= 0) return this.#found(inside + markerBytes);
    const end = bytes.length >= markerBytes - 1 ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = Buffer.from(end.subarray(-(markerBytes - 1)));
    return undefined;
  }

  #found(end: number): number {
    this.#tail = Buffer.alloc(0);
    return end;
  }
}
