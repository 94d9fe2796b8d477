/** Bounds the wait for one answer, by a deadline and by health checks of the daemon. */
import { lifeMs } from "../contract/deadlines.ts";
import type { Fetch } from "./transport.ts";

export interface PatienceOptions {
  url: string;
  fetch: Fetch;
  milliseconds: number;
  life?: typeof lifeMs;
}

export class Patience implements Disposable {
  /** How long the daemon did not answer, once the limit is exceeded. */
  silentMs: number | undefined;
  readonly #over = new AbortController();
  readonly #answered = new AbortController();
  readonly #deadline: ReturnType<typeof setTimeout>;
  #life: ReturnType<typeof setTimeout> | undefined;

  constructor({ url, fetch, milliseconds, life = lifeMs }: PatienceOptions) {
    this.#deadline = setTimeout(() => this.#end(milliseconds), milliseconds);
    // One probe may fail although the daemon works, as when a connection is reset.
    const ask = async (since = performance.now()) => {
      const left = life.answer - (performance.now() - since);
      if (left <= 0) return this.#end(life.answer);
      const signal = AbortSignal.any([AbortSignal.timeout(left), this.#answered.signal]);
      try {
        await (await fetch(`${url}/health`, { signal })).body?.cancel();
        this.#schedule(ask, life.ask);
      } catch {
        this.#schedule(() => ask(since), life.again);
      }
    };
    this.#schedule(ask, life.ask);
  }

  /** Aborted when it is over; never once it is disposed of. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#life);
    this.#answered.abort();
  }

  #schedule(ask: () => Promise<void>, milliseconds: number): void {
    if (!this.#answered.signal.aborted) this.#life = setTimeout(() => ask(), milliseconds);
  }

  #end(silentMs: number): void {
    if (this.#answered.signal.aborted) return;
    this.silentMs = silentMs;
    this.#over.abort();
    this[Symbol.dispose]();
  }
}
