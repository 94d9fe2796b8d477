/** Pauses a guest while the host's disk is full. It resumes when there is space, and loses nothing. */
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";

const retryMs = 2_000;
const hostDiskFull =
  "The VM is paused because the host disk is full; it resumes when there is free space";

export interface StallOptions {
  /** Should the disk still be full afterwards, QEMU pauses the guest again, which begins the stall again. */
  resume(signal: AbortSignal): Promise<unknown>;
  /** Called once when a stall begins, and once when the guest has kept running after it. */
  report(isStalled: boolean): void;
}

export class Stall {
  readonly #options: StallOptions;
  /** Runs while the guest stands still. */
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isTrying = false;
  #isOver = false;
  #stopping: Promise<void> | undefined;
  readonly #stopped = new AbortController();
  #isReported = false;
  /** Runs while the guest has resumed and may stall again at once. */
  #settling: ReturnType<typeof setTimeout> | undefined;
  readonly #waiting = new Set<AbortController>();

  constructor(options: StallOptions) {
    this.#options = options;
  }

  begin(): void {
    clearTimeout(this.#settling);
    if (!this.#isReported) {
      this.#isReported = true;
      this.#options.report(true);
    }
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#isTrying = true;
      this.#options
        .resume(AbortSignal.timeout(retryMs))
        .then(
          () => this.#settle(),
          () => {
            if (!this.#isOver) this.begin();
          },
        )
        .finally(() => {
          this.#isTrying = false;
        });
    }, retryMs);
    for (const waiting of this.#waiting) waiting.abort(full());
  }

  /**
   * Begins once `stop` has paused the guest, even after `signal` has ended this wait: such a guest must resume later too.
   * Calls share one attempt; a failed one can be repeated.
   */
  async hold(stop: (signal: AbortSignal) => Promise<unknown>, signal: AbortSignal): Promise<void> {
    if (this.isStalled) return;
    this.#stopping ??= stop(this.#stopped.signal)
      .then(() => this.begin())
      .finally(() => {
        this.#stopping = undefined;
      });
    await abortable(this.#stopping, signal);
  }

  /** Ends all attempts to pause or resume the guest. */
  end(): void {
    this.#isOver = true;
    this.#stopped.abort();
    clearTimeout(this.#retry);
    clearTimeout(this.#settling);
  }

  #settle(): void {
    if (this.#isOver || this.#retry !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#isReported = false;
      this.#options.report(false);
    }, retryMs);
    this.#settling.unref();
  }

  get isStalled(): boolean {
    return this.#retry !== undefined || this.#isTrying;
  }

  check(): void {
    if (this.isStalled) throw full();
  }

  /** What waits for the guest, and ends when that stands still. */
  async during<T>(signal: AbortSignal, work: (both: AbortSignal) => Promise<T>): Promise<T> {
    this.check();
    const stalled = new AbortController();
    this.#waiting.add(stalled);
    try {
      return await work(AbortSignal.any([signal, stalled.signal]));
    } finally {
      this.#waiting.delete(stalled);
    }
  }
}

function full(): BhattiError {
  return new BhattiError("disk_full", hostDiskFull);
}
