/** Bytes put together piece by piece: each is copied a constant number of times on average. */
export class GrowingBytes {
  #buffer: Uint8Array;
  #length: number;

  constructor(first: Uint8Array) {
    this.#buffer = new Uint8Array(first);
    this.#length = first.length;
  }

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
