/** A clock that stands still until it is told how much time passes. */
import type { Clock } from "../../src/async/clock.ts";

interface Timer {
  at: number;
  work(): void;
}

export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = Date.now();

  now(): number {
    return this.#now;
  }

  steady(): number {
    return this.#now;
  }

  timer(milliseconds: number, work: () => void): Disposable {
    const timer = { at: this.#now + Math.max(milliseconds, 1), work };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Lets time pass. What becomes due is done in its turn, and `settle` waits for what that sets off. */
  async pass(milliseconds: number, settle: () => Promise<void>): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = this.#timers
        .values()
        .reduce<Timer | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined);
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.work();
      await settle();
    }
    this.#now = end;
  }

  /** Calls all timers off: whoever set them is gone. */
  clear(): void {
    this.#timers.clear();
  }
}
