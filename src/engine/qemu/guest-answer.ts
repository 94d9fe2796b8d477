/** A guest whose agent does not answer must not be stopped: nothing in it could be frozen before. */
import type { Guest } from "../../agent/guest.ts";
import { within } from "../../async/deadline.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import { deadlineMs } from "./deadlines.ts";

/** Errors: guest_unresponsive. */
export async function requireAnswer(guest: Guest, signal: AbortSignal): Promise<void> {
  try {
    await within(deadlineMs.answer, "The guest's reply", signal, (until) => guest.ping(until));
  } catch (cause) {
    if (!isBhattiError(cause, "timeout") || signal.aborted) throw cause;
    const message = `The guest did not respond within ${deadlineMs.answer / 1000} s`;
    throw new BhattiError("guest_unresponsive", message, { cause });
  }
}
