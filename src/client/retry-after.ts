/** Repeats a request that the daemon's rate limit refused, when its Retry-After says so. */
import { pause } from "../async/deadline.ts";
import { DaemonError } from "./failure.ts";

/** Waits for one request, all together. */
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
      // A daemon that says 0 must not be asked in a loop.
      const waitMs = Math.max(seconds, 0.1) * 1000;
      waitedMs += waitMs;
      if (waitedMs >= maximumWaitMs) throw error;
      onWait?.(waitedMs);
      await wait(waitMs, signal ?? new AbortController().signal);
    }
  }
}
