/** The time that rules about waiting go by: the system's, or in tests one that passes when it is told to. */
import { abortable } from "./deadline.ts";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment, for how long something took: it never jumps. */
  steady(): number;
  /** Calls `work` once after the delay, unless disposed of. Does not keep the process alive. */
  timer(milliseconds: number, work: () => void): Disposable;
}

/** Waits by that clock; rejects with the signal's reason as soon as it is aborted. */
export async function elapse(clock: Clock, milliseconds: number, signal: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = clock.timer(milliseconds, resolve);
  await abortable(promise, signal);
}

/** setTimeout takes no more. */
const longestMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  timer(milliseconds, work) {
    const timer = setTimeout(work, Math.min(Math.max(milliseconds, 1), longestMs));
    timer.unref?.();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
