/** Where a share link leads: a shell of the visitor's own, or a look at the newest terminal. */
import type { TerminalSize } from "../agent/guest.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { RunningCommand } from "./running-command.ts";
import type { GuestProcessInfo, Sessions } from "./sessions.ts";
import type { WebSession } from "./web-session.ts";

export interface ShellVisit extends TerminalSize {
  /** To go back to. */
  session?: string | undefined;
  /** How much of its output was seen. */
  from?: number | undefined;
  /** Told the size of a terminal that is not the visitor's. */
  resized(size: TerminalSize): void;
}

/** Nobody else may know of a shell whose visitor does not come back, and a guest has room for a few. */
const maxIdleMs = 3_600_000;

/** Wakes the sandbox. The signal ends the attempt, and afterwards detaches. Throws session_not_found, session_limit. */
export async function enterShell(
  sessions: Sessions,
  visitor: WebSession,
  visit: ShellVisit,
  signal: AbortSignal,
): Promise<RunningCommand> {
  if (visitor.readOnly) return await watchNewest(sessions, visitor, visit, signal);
  const { owner, sandbox } = visitor;
  const { rows, cols, session, from } = visit;
  const tty = { rows, cols };
  if (session === undefined) {
    const request = { reattach: false, tty, maxIdleMs };
    const shell = await sessions.shell(owner, sandbox.id, request, signal);
    visitor.started(shell.session);
    return shell;
  }
  // Whoever has the link has a shell of the sandbox, not of those who work in it.
  if (!visitor.hasStarted(session))
    throw new BhattiError("session_not_found", "The shell has ended");
  const request = { session, mode: "control" as const, tty };
  return await sessions.attach(
    owner,
    sandbox.id,
    from === undefined ? request : { ...request, from },
    signal,
  );
}

async function watchNewest(
  sessions: Sessions,
  { owner, sandbox }: WebSession,
  { session, from, resized }: ShellVisit,
  signal: AbortSignal,
): Promise<RunningCommand> {
  const { sessions: running } = await sessions.list(owner, sandbox.id, { all: false });
  const found = running.filter(({ tty }) => tty).toSorted(byInterest)[0];
  if (!found) {
    throw new BhattiError("session_not_found", "No terminal session to watch");
  }
  const request = { session: found.session, mode: "watch" as const, resized };
  const goesOn = from !== undefined && session === found.session;
  return await sessions.attach(owner, sandbox.id, goesOn ? { ...request, from } : request, signal);
}

/** The newest first, the init script last. */
function byInterest(a: GuestProcessInfo, b: GuestProcessInfo): number {
  const init = Number(a.kind === "init") - Number(b.kind === "init");
  return init || b.startedUnixMs - a.startedUnixMs;
}
