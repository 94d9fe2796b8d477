/** Ends a transfer when its client or its sandbox stalls; as long as neither does, it has no time limit. */
import { silenceMs } from "../contract/deadlines.ts";
import { BhattiError } from "../errors/bhatti-error.ts";

export type Side = "sandbox" | "client";

export class Silence implements Disposable {
  readonly #ended = new AbortController();
  readonly #name: string;
  readonly #ms: Record<Side, number>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  /** `stalledSeconds`: `limits.stalled_seconds`, for the client. */
  constructor(sandboxName: string, stalledSeconds: number) {
    this.#name = sandboxName;
    this.#ms = { sandbox: silenceMs.sandbox, client: stalledSeconds * 1000 };
  }

  /** Aborted when it was silent for too long. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Starts the timeout of one side; does nothing after the end of the transfer. */
  expect(side: Side): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.#ended.abort(this.#error(side)), this.#ms[side]);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #error(side: Side): BhattiError {
    const seconds = this.#ms[side] / 1000;
    return side === "sandbox"
      ? new BhattiError(
          "guest_unresponsive",
          `Sandbox "${this.#name}" did not continue the transfer for ${seconds} s`,
        )
      : new BhattiError("timeout", `the client did not continue the transfer for ${seconds} s`);
  }
}
