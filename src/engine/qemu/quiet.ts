/** Knows when the foreground is quiet, so that background work does not get in its way. */
import { pause } from "../../async/deadline.ts";

const quietMs = 300;

export class Quiet {
  #lastUse = Number.NEGATIVE_INFINITY;
  #running = 0;

  touch(): void {
    this.#lastUse = performance.now();
  }

  /** The foreground is not quiet while the work runs. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.touch();
    }
  }

  /** Resolves when nothing has happened for a moment. */
  async wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      const left = quietMs - (performance.now() - this.#lastUse);
      if (this.#running === 0 && left <= 0) return;
      await pause(Math.max(left, 20), signal);
    }
  }
}
