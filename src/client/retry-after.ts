/** Retries a rate-limited request after its Retry-After. */
import { pause } from "../async/deadline.ts";
import { DaemonError } from "./failure.ts";

/** Limit of all waits of one request. */
export const maximumWaitMs = 60_000;

export interface RetryOptions {
  /** Ends the wait, with its reason. */
  signal?: AbortSignal | undefined;
  /** Called before each wait. `totalMs`: of all of them, with this one. */
  onWait?: ((totalMs: number) => void) | undefined;
  wait?: typeof pause;
}

/** Throws the refusal when the waits would reach `maximumWaitMs`. */
export async function retryAfterLimit<T>(
  attempt: () => Promise<T>,
  { signal, onWait, wait = pause }: RetryOptions,
): Promise<T> {
  let waitedMs = 0;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const seconds = error instanceof DaemonError ? error.retryAfter : undefined;
      if (seconds === undefined) throw error;
      // Retry-After: 0 must not cause a busy loop.
      const waitMs = Math.max(seconds, 0.1) * 1000;
      waitedMs += waitMs;
      if (waitedMs >= maximumWaitMs) throw error;
      onWait?.(waitedMs);
      await wait(waitMs, signal ?? new AbortController().signal);
    }
  }
}
