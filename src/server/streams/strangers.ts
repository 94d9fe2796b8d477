/** Counts unauthenticated connections by address. */
export class Strangers {
  readonly #limit: number;
  readonly #byAddress = new Map<string, number>();

  /** Per address. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  isFull(address: string): boolean {
    return this.#of(address) >= this.#limit;
  }

  /** Counts one until its connection is over, or the function that is returned is called. */
  add(address: string, over: AbortSignal): () => void {
    this.#byAddress.set(address, this.#of(address) + 1);
    const ended = new AbortController();
    const remove = () => {
      if (ended.signal.aborted) return;
      ended.abort();
      const left = this.#of(address) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
    over.addEventListener("abort", remove, { once: true, signal: ended.signal });
    return remove;
  }

  #of(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }
}
