/** Ends a transfer when one of its two sides does nothing for too long; it may last as long as both go on. */
import { silenceMs } from "../contract/deadlines.ts";
import { BhattiError } from "../errors/bhatti-error.ts";

export type Side = "sandbox" | "client";

export class Silence implements Disposable {
  readonly #ended = new AbortController();
  readonly #name: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(sandboxName: string) {
    this.#name = sandboxName;
  }

  /** Aborted when it was silent for too long. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Starts the timeout of one side; does nothing after the end of the transfer. */
  expect(side: Side): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.#ended.abort(this.#error(side)), silenceMs[side]);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #error(side: Side): BhattiError {
    const seconds = silenceMs[side] / 1000;
    return side === "sandbox"
      ? new BhattiError(
          "guest_unresponsive",
          `Sandbox "${this.#name}" did not continue the transfer for ${seconds} s`,
        )
      : new BhattiError("timeout", `the client did not continue the transfer for ${seconds} s`);
  }
}
