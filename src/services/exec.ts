/** Commands in sandboxes: from a user's words to a process in the guest. */
import type { ExecRequest, GuestProcess, TerminalSize } from "../agent/guest.ts";
import { within } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { ExplainedCommand } from "./explained-command.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import type { MachineUse } from "./wake.ts";

/** A command that runs. Its output must be consumed, or it must be released. */
export interface RunningCommand extends GuestProcess {
  /** What its user should know about how its sandbox came to run for it. */
  readonly warning: string | undefined;
}

export interface Command {
  argv: string[];
  env?: Record<string, string> | undefined;
  workdir?: string | undefined;
  tty?: TerminalSize | undefined;
  stdin: boolean;
  timeoutSeconds: number;
}

/** How long a guest may take to start a process. */
const startMs = 20_000;
/** The guest enforces the timeout; this much later it is taken for dead. */
const graceMs = 15_000;
/** A lost line is often the first sign that a machine ends; how long to wait for the reason. */
const endMs = 3000;

export class Exec {
  readonly #sandboxes: Sandboxes;
  readonly #log: Logger;

  constructor(sandboxes: Sandboxes, log: Logger) {
    this.#sandboxes = sandboxes;
    this.#log = log;
  }

  /** Resolves when the command runs. The signal ends the start, and afterwards lets go of the command. */
  async start(
    user: User,
    ref: string,
    command: Command,
    signal: AbortSignal,
  ): Promise<RunningCommand> {
    const sandbox = this.#sandboxes.get(user, ref);
    const use = await this.#sandboxes.use(sandbox, "exec", signal);
    try {
      return await this.#startIn(use, sandbox, command, signal);
    } catch (error) {
      use[Symbol.dispose]();
      throw error;
    }
  }

  async #startIn(
    use: MachineUse,
    sandbox: SandboxRecord,
    command: Command,
    signal: AbortSignal,
  ): Promise<RunningCommand> {
    const { machine } = use;
    const started = performance.now();
    const process = await within(startMs, "Starting the command", signal, async (both) =>
      (await machine.guest(both)).exec(requestOf(command), both),
    ).catch(async (error: unknown) => {
      if (!isBhattiError(error, "timeout")) {
        throw await explained(
          error,
          machine,
          `Sandbox "${sandbox.name}" ended before the command ran`,
        );
      }
      throw new BhattiError(
        "guest_unresponsive",
        `Sandbox "${sandbox.name}" did not answer within ${startMs / 1000} s`,
        { cause: error },
      );
    });
    const what = `Sandbox "${sandbox.name}" ended while the command ran`;
    const explain = (error: unknown) => explained(error, machine, what);
    const running = new ExplainedCommand(process, explain, use.warning);
    this.#watch(running, sandbox.id, command.timeoutSeconds * 1000, started);
    const end = () => use[Symbol.dispose]();
    process.result.then(end, end);
    return running;
  }

  #watch(process: RunningCommand, sandbox: string, timeoutMs: number, started: number): void {
    const log = (outcome: object) =>
      this.#log.debug("exec ended", {
        sandbox,
        session: process.session,
        ms: Math.round((performance.now() - started) * 10) / 10,
        ...outcome,
      });
    const overdue = setTimeout(() => process.release(), timeoutMs + graceMs);
    process.result
      .then(
        ({ exitCode, reason }) => log({ exit_code: exitCode, reason }),
        (error: unknown) => log({ error }),
      )
      .finally(() => clearTimeout(overdue));
  }
}

const goesOn = "The command goes on, without anybody to hear of it, when the sandbox is used again";

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

function requestOf(command: Command): ExecRequest {
  const request: ExecRequest = {
    argv: command.argv,
    stdin: command.stdin,
    timeoutMs: command.timeoutSeconds * 1000,
  };
  if (command.env) request.env = command.env;
  if (command.workdir !== undefined) request.cwd = command.workdir;
  if (command.tty) request.tty = command.tty;
  return request;
}
