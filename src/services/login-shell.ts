/** Login shells: the one to attach to, or a new one. */
import type { ExecRequest, Guest, TerminalSize } from "../agent/guest.ts";
import type { AttachedSession, GuestProcessInfo } from "../agent/guest-sessions.ts";
import { loginShell } from "../contract/login-shell.ts";
import { isBhattiError } from "../errors/bhatti-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";

/** What becomes of a session between looking for one and taking it. */
const goneMeanwhile: ErrorCode[] = ["session_attached", "session_not_found", "session_ended"];

/** Without `maxIdleMs` it may be detached for ever. */
export function newShell(tty: TerminalSize, maxIdleMs?: number): ExecRequest {
  return {
    argv: loginShell,
    tty,
    stdin: true,
    timeoutMs: 0,
    ...(maxIdleMs !== undefined && { maxIdleMs }),
  };
}

/** Returns the command for display: `login shell` for every login shell. */
export function commandText(command: readonly string[]): string {
  return isLoginShell(command) ? "login shell" : command.join(" ");
}

function isLoginShell(argv: readonly string[]): boolean {
  return argv.length === loginShell.length && loginShell.every((word, i) => word === argv[i]);
}

/** Attaches to the newest detached login shell; undefined when there is none. Another program's terminal is not a shell. */
export async function attachNewestFree(
  guest: Guest,
  tty: TerminalSize,
  signal: AbortSignal,
): Promise<AttachedSession | undefined> {
  const free = (await guest.processes(signal)).filter(isFreeShell);
  free.sort((a, b) => b.startedUnixMs - a.startedUnixMs);
  for (const { session } of free) {
    const request = { session, mode: "control", ifDetached: true, tty } as const;
    try {
      return await guest.attach(request, signal);
    } catch (error) {
      if (!isBhattiError(error) || !goneMeanwhile.includes(error.code)) throw error;
    }
  }
  return undefined;
}

function isFreeShell({ kind, running, attached, argv }: GuestProcessInfo): boolean {
  return kind === "terminal" && running && !attached && isLoginShell(argv);
}
