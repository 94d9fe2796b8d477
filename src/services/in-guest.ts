/** Runs a task in a sandbox's guest: wakes it, keeps it hot meanwhile, and explains a lost connection. */
import type { Guest } from "../agent/guest.ts";
import { within } from "../async/deadline.ts";
import { stepMs } from "../contract/deadlines.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import { explainLoss } from "./machine-loss.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import type { MachineUse } from "./wake.ts";

export interface Task<T> {
  /** Shown as the reason why the sandbox is hot, such as `exec`. */
  use: string;
  /** For messages, such as `the command ran`. */
  what: string;
  /** The task outlives its stream: clients can reattach after a lost connection. */
  isSession?: boolean;
  /** The guest ends the task with its stream. */
  endsWithStream?: boolean;
  /** Deadline for the guest to begin; default 20 s. */
  beginMs?: number;
  /** Called with the reason if the sandbox lost its memory. */
  warn?: ((text: string) => void) | undefined;
  /** Resolves when it has begun. */
  begin(guest: Guest, signal: AbortSignal): Promise<T>;
}

export interface Begun<T> {
  value: T;
  /** To be disposed of when it is over. */
  use: MachineUse;
  /** Replaces the error of a lost connection by its cause. */
  explain(error: unknown): Promise<unknown>;
}

/** Resolves when the guest has begun with it. Throws guest_unresponsive, and what waking and `begin` throw. */
export async function beginInGuest<T>(
  sandboxes: Pick<Sandboxes, "use">,
  sandbox: SandboxRecord,
  task: Task<T>,
  signal: AbortSignal,
): Promise<Begun<T>> {
  const use = await sandboxes.use(sandbox, task.use, signal);
  const { machine, warning, isRestored } = use;
  if (warning !== undefined) task.warn?.(warning);
  const { name } = sandbox;
  const { beginMs = stepMs.begin } = task;
  const hint = task.endsWithStream ? {} : { hint: wakesWithIt };
  const ended = `Sandbox "${name}" ended`;
  const goesOn =
    task.isSession && `Lost the connection to sandbox "${name}"; the session keeps running`;
  try {
    const value = await within(beginMs, "The guest's reply", signal, async (both) =>
      task.begin(await machine.guest(both), both),
    );
    const explain = (error: unknown) =>
      explainLoss(error, machine, {
        ...{ what: `${ended} while ${task.what}`, ...hint, isRestored },
        goesOn: goesOn || undefined,
      });
    return { value, use, explain };
  } catch (error) {
    use[Symbol.dispose]();
    const late = `Sandbox "${name}" did not respond within ${beginMs / 1000} s`;
    const reason = isBhattiError(error, "timeout")
      ? new BhattiError("guest_unresponsive", late, { cause: error })
      : error;
    throw await explainLoss(reason, machine, {
      ...{ what: `${ended} before ${task.what}`, ...hint, isRestored },
    });
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

const wakesWithIt = "Its processes resume, without this client, when the sandbox is used again";
