/** A guest whose agent does not answer must not be stopped: nothing in it could be frozen before. */
import type { Guest } from "../../agent/guest.ts";
import { within } from "../../async/deadline.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import { deadlineMs } from "./deadlines.ts";

/** Errors: guest_unresponsive. */
export function requireAnswer(guest: Guest, signal: AbortSignal): Promise<void> {
  return answered(deadlineMs.answer, signal, (until) => guest.ping(until));
}

/** For steps that an agent answers within seconds, unless it is frozen itself. Errors: guest_unresponsive. */
export async function answered(
  ms: number,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    await within(ms, "The guest's reply", signal, ask);
  } catch (cause) {
    if (!isBhattiError(cause, "timeout") || signal.aborted) throw cause;
    const message = `The guest did not respond within ${ms / 1000} s`;
    throw new BhattiError("guest_unresponsive", message, { cause });
  }
}
