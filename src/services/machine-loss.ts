/** The error that a lost line leaves behind says nothing; the machine's own end does, when that is what it was. */
import { within } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";

/** A lost line is often the first sign that a machine ends; how long to wait for the reason. */
const endMs = 3000;

/** `what` says what could not be done; `hint` what to do when the machine was suspended. */
export async function explainLoss(
  error: unknown,
  machine: Machine,
  what: string,
  hint?: string,
): Promise<unknown> {
  if (!isBhattiError(error, "machine_lost")) return error;
  const end = await within(endMs, "The machine's end", undefined, () => machine.ended).catch(
    () => undefined, // it runs on: the line alone was lost
  );
  if (!end) return error;
  const options = end.reason === "suspended" && hint !== undefined ? { hint } : {};
  return new BhattiError("machine_lost", `${what}: ${end.detail}`, { cause: error, ...options });
}
