/** A byte stream out of a sandbox, which keeps it hot until the stream ends or is released. */
import { reasonOf } from "../async/deadline.ts";
import type { Pieces } from "../async/pieces.ts";
import type { Silence } from "./silence.ts";

export interface HeldStreamOptions {
  /** Keeps the sandbox hot; disposed of with the stream. */
  use: Disposable;
  /** Absent for streams that may be idle, such as a watch. */
  silence?: Silence;
  /** Returns the error to report instead. */
  explain(error: unknown): Promise<unknown>;
}

export class HeldStream<T> implements Pieces<T> {
  readonly #source: Pieces<T>;
  readonly #options: HeldStreamOptions;
  /** Whether the reader waits for the sandbox, not the other way round. */
  #isRead = false;

  constructor(source: Pieces<T>, options: HeldStreamOptions) {
    this.#source = source;
    this.#options = options;
    const { silence, explain } = options;
    silence?.signal.addEventListener("abort", () => {
      if (this.#isRead) return; // `next` fails with the reason
      void explain(reasonOf(silence.signal));
      this.release();
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    const pieces = this.#source[Symbol.asyncIterator]();
    const { silence, explain } = this.#options;
    return {
      next: async () => {
        if (silence?.signal.aborted) throw reasonOf(silence.signal);
        this.#isRead = true;
        silence?.expect("sandbox");
        try {
          const next = await pieces.next();
          if (next.done) this.#end();
          return next;
        } catch (error) {
          const explained = await explain(error);
          this.release();
          throw explained;
        } finally {
          this.#isRead = false;
          silence?.expect("client");
        }
      },
      return: async () => {
        this.release();
        return { done: true, value: undefined };
      },
    };
  }

  release(): void {
    this.#source.release();
    this.#end();
  }

  #end(): void {
    this.#options.silence?.[Symbol.dispose]();
    this.#options.use[Symbol.dispose]();
  }
}
