/** What a guest can be asked to do, answered by lohar in a VM or on a socket. */
import type { FileOwner, GuestFiles } from "./guest-files.ts";
import type {
  AttachedSession,
  AttachRequest,
  ExitReason,
  GuestProcessInfo,
  LogRequest,
  ReadLog,
} from "./guest-sessions.ts";

export interface Guest {
  readonly hello: GuestHello;
  /** Settles when the line is gone, with the reason. Calls after that fail at once with it. */
  readonly closed: Promise<Error>;
  ping(signal: AbortSignal): Promise<void>;
  /** Gives the guest its identity; must be answered before anything of the user's runs. */
  configure(configuration: GuestConfiguration, signal: AbortSignal): Promise<void>;
  mountRoot(options: { device: string; grow: boolean }, signal: AbortSignal): Promise<void>;
  /** Stops, or lets go on, every user process. */
  freeze(signal: AbortSignal): Promise<void>;
  thaw(signal: AbortSignal): Promise<void>;
  sync(signal: AbortSignal): Promise<void>;
  /** Ends everything in the guest and powers it off; answered before that happens. */
  shutdown(signal: AbortSignal): Promise<void>;
  stats(signal: AbortSignal): Promise<GuestStats>;
  /** What it does for its user now and has done so far. Cheap enough to be asked every few seconds. */
  activity(signal: AbortSignal): Promise<GuestActivity>;
  /** How long a short sleep takes there in relation to what was asked for: 1 and a little when its timers keep time. */
  timerLateness(signal: AbortSignal): Promise<number>;
  /**
   * Starts a process; resolves when it runs. The signal ends the start, and later the wait: it lets go of the process,
   * which runs on, while its output and result reject with the signal's reason.
   */
  exec(request: ExecRequest, signal: AbortSignal): Promise<GuestProcess>;
  /** Every process that was started by `exec` and runs, and the last of those that have ended. */
  processes(signal: AbortSignal): Promise<GuestProcessInfo[]>;
  /** Throws session_not_found, session_ended, bad_request. `name` is such as `TERM` or `SIGTERM`. */
  kill(session: string, name: string, signal: AbortSignal): Promise<void>;
  /** Resolves when it is attached; the signal as in `exec`. Throws session_not_found, session_attached, guest_busy. */
  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedSession>;
  /** What a session has written. Throws session_not_found. */
  readLog(request: LogRequest, signal: AbortSignal): Promise<ReadLog>;
  readonly files: GuestFiles;
  /** Writes a file in one piece: readers see the old bytes or the new ones. */
  writeFile(
    file: GuestFile,
    content: Uint8Array | SizedContent,
    signal: AbortSignal,
  ): Promise<void>;
  close(): void;
}

export interface GuestHello {
  version: string;
  bootId: string;
  stage: "initramfs" | "mounted" | "configured";
  processes: GuestProcessInfo[];
}

export interface GuestConfiguration {
  hostname?: string;
  /** Merged into the environment of every exec. */
  env?: Record<string, string>;
  /** A shell script, run once as session `init`. */
  init?: string;
  /** 32 hexadecimal digits. */
  machineId?: string;
  /** The address of its network card, such as `52:54:00:aa:bb:cc`. A guest without a card passes over it. */
  mac?: string;
  network?: GuestNetwork;
}

/** IPv4 of the guest's network card. */
export interface GuestNetwork {
  address: string;
  /** Length of the network's part of the address. */
  prefix: number;
  gateway: string;
  resolver: string;
  /** Bytes. */
  mtu: number;
}

/** Bytes, except where the name says otherwise. */
export interface GuestStats {
  diskTotal: number;
  diskUsed: number;
  memoryTotal: number;
  memoryAvailable: number;
}

/** Two of these, taken some time apart, tell whether a guest was idle meanwhile. */
export interface GuestActivity {
  /**
   * Microseconds of processor time that all of the user's processes together have used since the guest booted, those
   * that have ended included: it never falls. lohar's and the kernel's own are not in it.
   */
  cpuMicroseconds: number;
  /** Bytes received and sent by all interfaces but the loopback since each was made; it falls when one is removed. */
  networkBytes: number;
  /** Plain commands and detached sessions that run, whether the host still hears of them or not. */
  commands: number;
  /** Sessions that take input, with a terminal or without. The init script is in neither. */
  terminals: number;
  /** How many of both have a stream to the host open. */
  attached: number;
}

/** Bytes of a known number that come piece by piece. */
export interface SizedContent extends AsyncIterable<Uint8Array> {
  readonly size: number;
}

export interface GuestFile {
  path: string;
  /** Permission bits. */
  mode: number;
  /** With whose rights it is written. */
  user: FileOwner;
  /**
   * Whose the file and the directories that are made for it shall be; a file that exists keeps the owner that it has.
   * Left out, the file is `user`'s, also when it replaces somebody else's.
   */
  owner?: FileOwner;
  /** What a file that exists keeps: its owner, or its owner and its mode. Agents of earlier versions keep nothing. */
  keep?: "owner" | "all";
}

export interface TerminalSize {
  rows: number;
  cols: number;
}

export interface ExecRequest {
  argv: string[];
  env?: Record<string, string> | undefined;
  /** `/workspace` unless given. */
  cwd?: string | undefined;
  /** `lohar` unless given. */
  user?: FileOwner | undefined;
  /** With a terminal it is a session. */
  tty?: TerminalSize | undefined;
  /** Whether stdin is forwarded; otherwise it is /dev/null. */
  stdin: boolean;
  /** 0: none. */
  timeoutMs: number;
  /** It outlives its stream: `release` detaches and leaves its stdin open. */
  session?: boolean | undefined;
  /** Ends a session that is detached for so long. */
  maxIdleMs?: number | undefined;
  /** Gets stdout and stderr, truncated first. Agents of earlier versions write to the log of the session instead. */
  outputFile?: string | undefined;
}

export type ExecReason = ExitReason | "lost";

export interface ExecResult {
  exitCode: number;
  reason: ExecReason;
  signal?: string;
}

/** Which stream of a process: the same numbers on the guest's line and on the exec WebSocket. */
export const Channel = { stdin: 0, stdout: 1, stderr: 2 } as const;

/** A piece of output. `chunk` starts with the channel byte, so that it can be passed on without a copy. */
export interface ExecOutput {
  channel: typeof Channel.stdout | typeof Channel.stderr;
  chunk: Uint8Array;
}

/** A running process: an async iterable of its output, which must be consumed for it to make progress. */
export interface GuestProcess extends AsyncIterable<ExecOutput> {
  readonly session: string;
  readonly pid: number;
  /** Path of its log in the guest; empty when it is no session. */
  readonly log: string;
  /** The file that gets its output instead, if there is one. */
  readonly outputFile?: string | undefined;
  /** Why the program could not be executed, such as `not found`; the process exits with the code. */
  readonly notExecuted?: { exitCode: number; reason: string } | undefined;
  /**
   * Settles after the last output was yielded, or with the reason `lost` and the code -1 when the process was let go
   * before. Rejects when the guest is lost.
   */
  readonly result: Promise<ExecResult>;
  /** Resolves when the guest has room for more; rejects when stdin is closed, which may be ignored. */
  write(data: Uint8Array): Promise<void>;
  closeStdin(): void;
  resize(size: TerminalSize): void;
  /** A name such as `INT` or `SIGTERM`. */
  signal(name: string): void;
  /** Lets go of it: its further output is dropped, it runs on until its timeout. Unless it is a session its stdin ends. */
  release(): void;
}
