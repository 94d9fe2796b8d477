/** Sessions: processes that outlive whoever started them. `guest.ts` has the calls. */
import type { GuestProcess, TerminalSize } from "./guest.ts";
import type { FileOwner, GuestBytes } from "./guest-files.ts";

/** `exec` is a plain command and no session; `piped` takes input without a terminal; `detached` takes none. */
export const processKinds = ["exec", "terminal", "piped", "detached", "init"] as const;
export type ProcessKind = (typeof processKinds)[number];

/** How a process ended. */
export const exitReasons = ["exited", "signal", "timeout", "oom"] as const;
export type ExitReason = (typeof exitReasons)[number];

export interface GuestProcessInfo {
  session: string;
  kind: ProcessKind;
  pid: number;
  /** In part when it is long. */
  argv: string[];
  tty: boolean;
  /** Whether its stdin is still open. */
  stdin: boolean;
  user: FileOwner;
  startedUnixMs: number;
  running: boolean;
  /** Whether somebody has control of it. */
  attached: boolean;
  /** How many look on. */
  watchers: number;
  /** Bytes in its log; 0 without one. */
  logBytes: number;
  exitCode?: number;
  reason?: ExitReason;
  signal?: string;
  endedUnixMs?: number;
}

/** Where the guest keeps a session's log. */
export function logPathOf(session: string): string {
  return `/var/log/lohar/sessions/${session}.log`;
}

export interface AttachRequest {
  session: string;
  /** `control` takes it from whoever has it; `watch` only looks on. */
  mode: "control" | "watch";
  /** With `control`: fails with session_attached instead of taking it away. */
  ifDetached?: boolean;
  /** Where an earlier stream left off; without it all that is kept is told. */
  from?: number;
  /** The size that the terminal gets. */
  tty?: TerminalSize;
  /** Told the terminal's size: the one it has, before any output, and each that it gets. Older agents tell none. */
  resized?(size: TerminalSize): void;
}

/** A session that is attached. `release` detaches: it goes on, with its stdin open. */
export interface AttachedSession extends GuestProcess {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** The number, within all of the session's output, of the first byte that is told. */
  readonly offset: number;
  /** Escape sequences that put a fresh terminal into the state that the output expects; not part of it. */
  readonly prelude: string;
}

export interface LogRequest {
  session: string;
  /** Goes on until the session ends. */
  follow?: boolean;
  /** Only so many bytes from the end. */
  tail?: number;
  /** Where an earlier stream left off. */
  from?: number;
}

/** What a session has written, as it is read. */
export interface ReadLog extends GuestBytes {
  /**
   * The number, within all that was ever written to it, of the first byte that is told. Unknown of a long log whose
   * session is not known any more, and to agents of earlier versions.
   */
  readonly offset?: number;
}
