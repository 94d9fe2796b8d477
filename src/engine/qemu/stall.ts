/** A guest that writes while the host's disk is full stands still until there is space, and then loses nothing. */
import { BhattiError } from "../../errors/bhatti-error.ts";

const retryMs = 2_000;
const hostDiskFull =
  "The machine stands still because the host's disk is full; it goes on by itself when there is space";

export class Stall {
  readonly #goOn: (signal: AbortSignal) => Promise<unknown>;
  /** Runs while the guest stands still. */
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  readonly #waiting = new Set<AbortController>();

  /** Should the disk still be full after `goOn`, QEMU pauses the guest again and says so. */
  constructor(goOn: (signal: AbortSignal) => Promise<unknown>) {
    this.#goOn = goOn;
  }

  begin(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#goOn(AbortSignal.timeout(retryMs)).catch(() => {
        if (!this.#isOver) this.begin();
      });
    }, retryMs);
    for (const waiting of this.#waiting) waiting.abort(full());
  }

  /** Nobody tries again. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#retry);
  }

  check(): void {
    if (this.#retry) throw full();
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
