/** Every wait has a deadline and a signal: these are the two ways to give it both. */
import { BhattiError } from "../errors/bhatti-error.ts";

/** Runs `work` with a signal that ends with the caller's or after `milliseconds`. Throws timeout or cancelled. */
export async function within<T>(
  milliseconds: number,
  what: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const expired = new AbortController();
  const timer = setTimeout(
    () => expired.abort(new BhattiError("timeout", `${what} took longer than ${milliseconds} ms`)),
    milliseconds,
  );
  const both = signal ? AbortSignal.any([signal, expired.signal]) : expired.signal;
  try {
    return await abortable(work(both), both);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * As `within`, but never before the work has ended, also when that is late: for work whose traces are removed
 * afterwards. The work must heed its signal.
 */
export async function settledWithin<T>(
  milliseconds: number,
  what: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let outcome: Promise<T> | undefined;
  try {
    return await within(milliseconds, what, signal, (both) => {
      outcome = work(both);
      return outcome;
    });
  } catch (error) {
    await outcome?.catch(() => {}); // the first error is the one that counts
    throw error;
  }
}

/** The promise, or the signal's reason as an error, whichever comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => {}); // its outcome no longer matters to anyone
    return Promise.reject(reasonOf(signal));
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() =>
    signal.removeEventListener("abort", onAbort),
  );
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  return abortable(promise, signal).finally(() => clearTimeout(timer));
}

/** Resolves with the promise, or after the timeout. */
export async function settledOr(
  promise: Promise<void>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const settled = new AbortController();
  const over = pause(milliseconds, AbortSignal.any([signal, settled.signal]));
  try {
    await Promise.race([promise, over]);
  } finally {
    settled.abort();
  }
}

export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof BhattiError) return reason;
  return new BhattiError("cancelled", "The operation was cancelled", { cause: reason });
}
