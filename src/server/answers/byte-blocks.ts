/** Bytes in blocks that are filled by copying: a chunk may be a small part of a large buffer, or a single byte. */

const smallestBlock = 1024;
const largestBlock = 65_536;

export class ByteBlocks implements Iterable<Uint8Array> {
  readonly #full: Uint8Array[] = [];
  #block: Uint8Array = new Uint8Array();
  #used = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get last(): number | undefined {
    return this.#used > 0 ? this.#block[this.#used - 1] : undefined;
  }

  append(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#used === this.#block.length) this.#grow();
      const part = rest.subarray(0, this.#block.length - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.length;
      this.#length += part.length;
      rest = rest.subarray(part.length);
    }
  }

  *[Symbol.iterator](): Generator<Uint8Array, undefined> {
    yield* this.#full;
    if (this.#used > 0) yield this.#block.subarray(0, this.#used);
  }

  /** Each block is as large as all before it, within the bounds. */
  #grow(): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const size = Math.min(Math.max(this.#length, smallestBlock), largestBlock);
    this.#block = new Uint8Array(size);
    this.#used = 0;
  }
}
