/** A transfer that Ctrl+C ends in good order: what it was doing is undone or said, then the signal does what it does. */

import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import type { Signal } from "../system.ts";

const ending: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** `left` says what is left when it was ended. */
export async function untilSignal<T>(
  { system, remark }: Context,
  left: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  let by: Signal | undefined;
  using handlers = new DisposableStack();
  for (const signal of ending) {
    const stop = () => {
      by ??= signal;
      ended.abort(new BhattiError("cancelled", `interrupted by ${signal}`));
    };
    handlers.use(system.onSignal(signal, stop));
  }
  try {
    return await work(ended.signal);
  } catch (error) {
    if (by === undefined) throw error;
    await remark(`Interrupted: ${left}`);
    handlers.dispose();
    system.die(by);
    throw error;
  }
}
