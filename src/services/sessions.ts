/** Sessions: processes in sandboxes that run without an attached client. */
import type { Guest, GuestProcess, TerminalSize } from "../agent/guest.ts";
import {
  type AttachedSession,
  type AttachRequest,
  type GuestProcessInfo,
  type LogRequest,
  logPathOf,
  type ReadLog,
} from "../agent/guest-sessions.ts";
import { within } from "../async/deadline.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../store/users.ts";
import { HeldStream } from "./held-stream.ts";
import { askGuest, type Begun, beginInGuest } from "./in-guest.ts";
import { type LastKnown, sessionsAmong } from "./last-known.ts";
import { attachNewestFree, newShell } from "./login-shell.ts";
import { type RunningCommand, runningCommand } from "./running-command.ts";
import type { SandboxActors } from "./sandbox-actor.ts";
import type { Sandboxes, SandboxRecord } from "./sandboxes.ts";
import { tellOfSession } from "./session-story.ts";
import { Silence } from "./silence.ts";

export type { AttachRequest, GuestProcessInfo, LogRequest, ReadLog };

export interface SessionsOptions {
  sandboxes: Sandboxes;
  actors: SandboxActors;
  lastKnown: LastKnown;
  events: EventSink;
  log: Logger;
  /** After this time a client that does not read a log loses it. */
  stalledSeconds: number;
}

export interface SessionList {
  sessions: GuestProcessInfo[];
  /** When it was so (RFC 3339, UTC); undefined: now. */
  asOf: string | undefined;
}

export interface ShellRequest {
  /** Attaches to the newest detached login shell, if there is one. */
  reattach: boolean;
  tty: TerminalSize;
  /** Ends a new one that is detached for so long. */
  maxIdleMs?: number;
}

const listMs = 5000;

interface Attachment {
  process: GuestProcess;
  tty: boolean;
  offset: number;
  prelude: string;
  reattached: boolean;
}

export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Never wakes it. Without `all`, those that run. */
  async list(user: User, ref: string, { all }: { all: boolean }): Promise<SessionList> {
    const sandbox = this.#options.sandboxes.get(user, ref);
    const { sessions, asOf } = await this.#known(sandbox);
    return { sessions: all ? sessions : sessions.filter(({ running }) => running), asOf };
  }

  /** Throws session_not_found, session_ended. `name` is such as `TERM`. */
  async kill(
    user: User,
    ref: string,
    session: string,
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { sandboxes, log } = this.#options;
    const sandbox = sandboxes.get(user, ref);
    const begin = (guest: Guest, both: AbortSignal) => guest.kill(session, name, both);
    await askGuest(
      sandboxes,
      sandbox,
      { use: "kill", what: "signalling the session", begin },
      signal,
    );
    log.debug("session signalled", { sandbox: sandbox.id, session, signal: name });
  }

  /** Must be consumed or released. Throws session_not_found, and connection_lost when only the line to the guest is lost. */
  async log(user: User, ref: string, request: LogRequest, signal: AbortSignal): Promise<ReadLog> {
    const { sandboxes, stalledSeconds } = this.#options;
    const sandbox = sandboxes.get(user, ref);
    // One that is followed is silent for as long as its session is.
    const silence = request.follow ? undefined : new Silence(sandbox.name, stalledSeconds);
    const begin = (guest: Guest, both: AbortSignal) => guest.readLog(request, both);
    const { value, ...held } = await beginInGuest(
      sandboxes,
      sandbox,
      { use: "logs", what: "reading the log", isSession: true, begin },
      silence ? AbortSignal.any([signal, silence.signal]) : signal,
    );
    const stream = new HeldStream(value, { ...held, ...(silence && { silence }) });
    const { offset } = value;
    return Object.assign(stream, offset === undefined ? {} : { offset });
  }

  /** The signal ends the attempt, and afterwards detaches. Throws session_not_found, session_attached. */
  async attach(
    user: User,
    ref: string,
    request: AttachRequest,
    signal: AbortSignal,
  ): Promise<RunningCommand> {
    const { sandboxes } = this.#options;
    const sandbox = sandboxes.get(user, ref);
    const begin = async (guest: Guest, both: AbortSignal) =>
      attachment(await guest.attach(request, both));
    const begun = await beginInGuest(
      sandboxes,
      sandbox,
      { use: "attach", what: "attached to the session", isSession: true, begin },
      signal,
    );
    const how = request.mode === "watch" ? "watched" : "attached";
    return this.#running(sandbox, begun, how);
  }

  /** Attaches to the newest detached login shell, or starts one. The signal as in `attach`. */
  async shell(
    user: User,
    ref: string,
    request: ShellRequest,
    signal: AbortSignal,
  ): Promise<RunningCommand> {
    const { sandboxes } = this.#options;
    const sandbox = sandboxes.get(user, ref);
    const begin = async (guest: Guest, both: AbortSignal): Promise<Attachment> => {
      const old = request.reattach && (await attachNewestFree(guest, request.tty, both));
      if (old) return attachment(old);
      const process = await guest.exec(newShell(request.tty, request.maxIdleMs), both);
      return { process, tty: true, offset: 0, prelude: "", reattached: false };
    };
    const begun = await beginInGuest(
      sandboxes,
      sandbox,
      { use: "shell", what: "running the shell", isSession: true, begin },
      signal,
    );
    const how = begun.value.reattached ? "reattached" : "started";
    return this.#running(sandbox, begun, how);
  }

  async #known(sandbox: SandboxRecord): Promise<SessionList> {
    const { actors, lastKnown, log } = this.#options;
    const actor = actors.peek(sandbox.id);
    const machine = actor?.isExclusive ? undefined : actor?.machine;
    if (!machine?.isAwake) return remembered(lastKnown, sandbox.id);
    try {
      const processes = await within(listMs, "The guest's reply", undefined, async (signal) =>
        (await machine.guest(signal)).processes(signal),
      );
      return { sessions: sessionsAmong(processes), asOf: undefined };
    } catch (error) {
      log.debug("cannot list the sessions of a sandbox", { sandbox: sandbox.id, error });
      if (machine.isAwake && !lastKnown.sessions(sandbox.id)) throw error;
      return remembered(lastKnown, sandbox.id);
    }
  }

  #running(
    sandbox: SandboxRecord,
    { value: { process, ...facts }, use, explain }: Begun<Attachment>,
    how: string,
  ): RunningCommand {
    const running = runningCommand(process, { ...facts, warning: use.warning }, explain);
    const end = () => use[Symbol.dispose]();
    process.result.then(end, end);
    tellOfSession(this.#options, { sandbox, running, how });
    return running;
  }
}

/** Path of its log in the guest. */
export function logOf({ session }: GuestProcessInfo): string {
  return logPathOf(session);
}

function attachment(process: AttachedSession): Attachment {
  const { tty, offset, prelude } = process;
  return { process, tty, offset, prelude, reattached: true };
}

function remembered(lastKnown: LastKnown, id: string): SessionList {
  const known = lastKnown.sessions(id);
  return { sessions: known?.sessions ?? [], asOf: known?.at };
}
