/** What comes piece by piece, at the pace at which it is taken. */
import { reasonOf } from "./deadline.ts";

/** Must be consumed to its end or released, which stops the source. */
export interface Pieces<T> extends AsyncIterable<T> {
  release(): void;
}

/**
 * From now on the signal releases it, until the result is disposed of. Throws the signal's reason when it is aborted
 * already; it is released then.
 */
export function releasedBy(signal: AbortSignal, source: { release(): void }): Disposable {
  const release = () => source.release();
  if (signal.aborted) {
    release();
    throw reasonOf(signal);
  }
  signal.addEventListener("abort", release, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", release) };
}
