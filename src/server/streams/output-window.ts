/** Limits the output in flight to a client that acknowledges output, as it cannot pause its WebSocket. */
export class OutputWindow {
  readonly #over: AbortSignal;
  #limit = Number.POSITIVE_INFINITY;
  #onItsWay = 0;
  #room: PromiseWithResolvers<void> | undefined;

  /** Waiting ends when `over` is aborted. */
  constructor(over: AbortSignal) {
    this.#over = over;
    over.addEventListener("abort", () => this.#room?.resolve(), { once: true });
  }

  limit(bytes = Number.POSITIVE_INFINITY): void {
    this.#limit = bytes;
  }

  /** Resolves when more may be sent. */
  async add(bytes: number): Promise<void> {
    this.#onItsWay += bytes;
    while (this.#onItsWay >= this.#limit && !this.#over.aborted) {
      this.#room ??= Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }

  take(bytes: number): void {
    this.#onItsWay = Math.max(0, this.#onItsWay - bytes);
    this.#room?.resolve();
    this.#room = undefined;
  }
}
