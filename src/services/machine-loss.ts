/** Replaces a generic error of a wait for a guest by the reason that its machine has: its end, or a full disk. */
import { within } from "../async/deadline.ts";
import type { Machine, MachineEnd } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";

export interface LossWords {
  /** What could not be done. */
  what: string;
  /** What to do when the machine was suspended. */
  hint?: string;
  /** Whether the sandbox has another machine now. */
  isRestored?(): boolean;
  /** The message if only the connection was lost and the client can reattach. */
  goesOn?: string | undefined;
}

/** A lost line is often the first sign that a machine ends; how long to wait for the reason, or for a sign of life. */
const endMs = 3000;

export async function explainLoss(
  error: unknown,
  machine: Machine,
  words: LossWords,
): Promise<unknown> {
  const { what, goesOn } = words;
  if (machine.isStalled && isBhattiError(error, "guest_unresponsive")) {
    const why = "the VM is paused because the host disk is full";
    return new BhattiError("disk_full", `${error.message}: ${why}`, { cause: error });
  }
  if (!isBhattiError(error, "machine_lost")) return error;
  const end = await endOf(machine);
  if (end) {
    const { detail, hint } = reasonOf(end, words);
    const options = hint === undefined ? {} : { hint };
    return new BhattiError("machine_lost", `${what}: ${detail}`, { cause: error, ...options });
  }
  if (goesOn === undefined) return error;
  return new BhattiError("connection_lost", goesOn, {
    cause: error,
    hint: "Reattach: bhatti attach <sandbox> <session>",
  });
}

function reasonOf({ reason, detail }: MachineEnd, { hint, isRestored }: LossWords) {
  if (reason === "suspended") return { detail, hint };
  if (reason !== "destroyed") return { detail, hint: undefined };
  return isRestored?.()
    ? { detail: "it was restored to a snapshot", hint: "List its sessions: bhatti ps <sandbox>" }
    : { detail: "it was destroyed", hint: "List sandboxes: bhatti ls" };
}

/** Undefined when it runs on. */
async function endOf(machine: Machine): Promise<MachineEnd | undefined> {
  try {
    return await within(endMs, "Waiting for the VM to exit", undefined, async (signal) => {
      const answers = async () => (await machine.guest(signal)).ping(signal);
      const lives = answers().then(
        () => undefined,
        () => machine.ended,
      );
      return await Promise.race([machine.ended, lives]);
    });
  } catch {
    return undefined;
  }
}
