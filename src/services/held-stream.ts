/** What comes out of a sandbox piece by piece: the sandbox stays awake until that has ended or is let go of. */
import type { Pieces } from "../async/pieces.ts";
import type { Silence } from "./silence.ts";

export interface HeldStreamOptions {
  /** Ended with the stream: what keeps the sandbox awake. */
  use: Disposable;
  /** Absent where it is normal that nothing comes. */
  silence?: Silence;
  /** Gives the error to tell instead. */
  explain(error: unknown): Promise<unknown>;
}

export class HeldStream<T> implements Pieces<T> {
  readonly #source: Pieces<T>;
  readonly #options: HeldStreamOptions;

  constructor(source: Pieces<T>, options: HeldStreamOptions) {
    this.#source = source;
    this.#options = options;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    const pieces = this.#source[Symbol.asyncIterator]();
    const { silence, explain } = this.#options;
    return {
      next: async () => {
        silence?.expect("sandbox");
        try {
          const next = await pieces.next();
          if (next.done) this.#end();
          return next;
        } catch (error) {
          const told = await explain(error);
          this.release();
          throw told;
        } finally {
          silence?.rest(); // the reader's own pace is its own business
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
