/** Commands in sandboxes: from a user's words to a process in the guest. */
import type { ExecRequest } from "../agent/guest.ts";
import { stepMs } from "../contract/deadlines.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { beginInGuest } from "./in-guest.ts";
import { type RunningCommand, runningCommand } from "./running-command.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import { tellOfSession } from "./session-story.ts";

export type { ExecRequest };

/** A session that was started without a client. */
export interface Detached {
  session: string;
  pid: number;
  /** Path of the file in the guest that gets its output. */
  outputFile: string;
  /** Why the program could not be executed. */
  failure: { exitCode: number; error: string } | undefined;
  warning: string | undefined;
}

export interface ExecOptions {
  sandboxes: Sandboxes;
  events: EventSink;
  log: Logger;
}

export class Exec {
  readonly #options: ExecOptions;

  constructor(options: ExecOptions) {
    this.#options = options;
  }

  /** Resolves when the command runs. The signal ends the start, and afterwards lets go of the command. */
  async start(
    user: User,
    ref: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): Promise<RunningCommand> {
    const { sandboxes } = this.#options;
    const sandbox = sandboxes.get(user, ref);
    const started = performance.now();
    const overdue = new AbortController();
    const { value, use, explain } = await beginInGuest(
      sandboxes,
      sandbox,
      {
        use: "exec",
        what: "running the command",
        isSession: request.session === true || request.tty !== undefined,
        begin: (guest, both) => guest.exec(request, AbortSignal.any([both, overdue.signal])),
      },
      signal,
    );
    const running = runningCommand(value, factsOf(request, use.warning), explain);
    const end = () => use[Symbol.dispose]();
    value.result.then(end, end);
    // The end of a released command is unknown; a full host disk is a known reason.
    const giveUp = () => {
      if (use.machine.isStalled) overdue.abort(overdueError(sandbox));
      else running.release();
    };
    this.#watch(running, { sandbox: sandbox.id, timeoutMs: request.timeoutMs, started, giveUp });
    if (request.session && request.stdin && !request.tty) {
      tellOfSession(this.#options, { sandbox, running, how: "started" });
    }
    return running;
  }

  /** Resolves when it runs; its output goes to its log only. */
  async detach(
    user: User,
    ref: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): Promise<Detached> {
    const detached = { ...request, stdin: false, session: true };
    const running = await this.start(user, ref, detached, signal);
    running.release();
    const { session, pid, log, outputFile = log, notExecuted, warning } = running;
    const failure = notExecuted && {
      exitCode: notExecuted.exitCode,
      error: `${request.argv[0]}: ${notExecuted.reason}`,
    };
    return { session, pid, outputFile, failure, warning };
  }

  #watch(process: RunningCommand, { sandbox, timeoutMs, started, giveUp }: Watched): void {
    const { session } = process;
    const log = (what: string, outcome: object) => {
      const ms = Math.round((performance.now() - started) * 10) / 10;
      this.#options.log.debug(what, { sandbox, session, ms, ...outcome });
    };
    const isLimited = timeoutMs > 0;
    // The guest enforces the timeout; this much later the daemon gives up on it.
    const overdue = isLimited && setTimeout(giveUp, timeoutMs + stepMs.kill);
    process.result
      .then(
        ({ exitCode, reason }) => {
          const isLeft = reason === "lost" && process.log !== "";
          log(isLeft ? "session still running" : "exec ended", { exit_code: exitCode, reason });
        },
        (error: unknown) => log("exec ended", { error }),
      )
      .finally(() => overdue && clearTimeout(overdue));
  }
}

interface Watched {
  sandbox: string;
  timeoutMs: number;
  started: number;
  giveUp(): void;
}

function overdueError({ name }: SandboxRecord): BhattiError {
  const message = `Sandbox "${name}" did not report the end of the command after its timeout`;
  return new BhattiError("guest_unresponsive", message);
}

function factsOf({ tty }: ExecRequest, warning: string | undefined) {
  return { warning, tty: tty !== undefined, reattached: false, offset: 0, prelude: "" };
}
