/** Whatever is done in a sandbox's guest: its machine is woken and kept hot for it, and its end explains a lost line. */
import type { Guest } from "../agent/guest.ts";
import { within } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import type { MachineUse } from "./wake.ts";

export interface Task<T> {
  /** Shown as the reason why the sandbox is hot, such as `exec`. */
  use: string;
  /** For messages, such as `the command ran`. */
  what: string;
  /** Resolves when it has begun. */
  begin(guest: Guest, signal: AbortSignal): Promise<T>;
}

export interface Begun<T> {
  value: T;
  /** To be disposed of when it is over. */
  use: MachineUse;
  /** The error to tell instead of one that the line to the guest left behind. */
  explain(error: unknown): Promise<unknown>;
}

/** How long a guest may take to begin with something. */
const beginMs = 20_000;
/** A lost line is often the first sign that a machine ends; how long to wait for the reason. */
const endMs = 3000;

/** Resolves when the guest has begun with it. Throws guest_unresponsive, and what waking and `begin` throw. */
export async function beginInGuest<T>(
  sandboxes: Pick<Sandboxes, "use">,
  sandbox: SandboxRecord,
  task: Task<T>,
  signal: AbortSignal,
): Promise<Begun<T>> {
  const use = await sandboxes.use(sandbox, task.use, signal);
  const { machine } = use;
  const ended = `Sandbox "${sandbox.name}" ended`;
  try {
    const value = await within(beginMs, "Its begin", signal, async (both) =>
      task.begin(await machine.guest(both), both),
    );
    const explain = (error: unknown) => explained(error, machine, `${ended} while ${task.what}`);
    return { value, use, explain };
  } catch (error) {
    use[Symbol.dispose]();
    if (!isBhattiError(error, "timeout")) {
      throw await explained(error, machine, `${ended} before ${task.what}`);
    }
    const late = `Sandbox "${sandbox.name}" did not answer within ${beginMs / 1000} s`;
    throw new BhattiError("guest_unresponsive", late, { cause: error });
  }
}

/** As `beginInGuest`, for what is over with its answer. */
export async function askGuest<T>(
  sandboxes: Pick<Sandboxes, "use">,
  sandbox: SandboxRecord,
  task: Task<T>,
  signal: AbortSignal,
): Promise<T> {
  const { value, use } = await beginInGuest(sandboxes, sandbox, task, signal);
  use[Symbol.dispose]();
  return value;
}

const goesOn = "What ran in it goes on, without anybody to hear of it, when it is used again";

/** The error that a lost line leaves behind says nothing; the machine's own end does, when that is what it was. */
async function explained(error: unknown, machine: Machine, what: string): Promise<unknown> {
  if (!isBhattiError(error, "machine_lost")) return error;
  const end = await within(endMs, "The machine's end", undefined, () => machine.ended).catch(
    () => undefined, // it runs on: the line alone was lost
  );
  if (!end) return error;
  const options = end.reason === "suspended" ? { hint: goesOn } : {};
  return new BhattiError("machine_lost", `${what}: ${end.detail}`, { cause: error, ...options });
}
