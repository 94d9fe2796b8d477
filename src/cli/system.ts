/** What the process gives the command line: streams, signals, the terminal. main.ts implements it, tests may fake it. */
import type { ConnectWebSocket, Fetch } from "../client/transport.ts";

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGWINCH";

/** What is at the other end of our stdin. */
export type StdinKind = "terminal" | "pipe" | "file" | "nothing";

export interface TerminalSize {
  rows: number;
  cols: number;
}

export interface Output {
  /** Does the set-up of the first write (2 ms) in advance, during another wait. */
  prepare(): void;
  /** Resolves when the bytes have been taken, so that who awaits it holds no more than one chunk. Throws OutputClosed. */
  write(data: string | Uint8Array): Promise<void>;
}

export interface FileInput {
  /** At least one. */
  bytes: number;
  position: number;
}

export interface Input {
  kind(): Promise<StdinKind>;
  /** Remaining bytes, if stdin is a file of known size. */
  file(): Promise<FileInput | undefined>;
  /** The bytes as they arrive, or those of a file from a position. Ending the iteration releases stdin. */
  chunks(position?: number): AsyncIterable<Uint8Array> & { cancel(): void };
}

export interface LocalTerminal {
  /** Undefined when stdout is no terminal. */
  size(): TerminalSize | undefined;
  /** Whether stdout is a terminal, even one without a size. */
  isOutput(): Promise<boolean>;
  /** Whether stderr is a terminal. */
  isWatched(): Promise<boolean>;
  /** Keystrokes instead of lines, until disposed. */
  raw(): Disposable;
}

export interface System {
  env: Readonly<Record<string, string | undefined>>;
  userId: number;
  stdin: Input;
  stdout: Output;
  stderr: Output;
  terminal: LocalTerminal;
  /**
   * Takes a signal over from its default action until disposed. A signal that was ignored when the process started stays
   * ignored, unless `evenIfIgnored`.
   */
  onSignal(signal: Signal, listener: () => void, options?: { evenIfIgnored?: boolean }): Disposable;
  /** Ends the process by the default action of a signal. */
  die(signal: Signal): void;
  fetch: Fetch;
  connectWebSocket: ConnectWebSocket;
  now(): number;
}

/** Standard output is closed: the command ends without an error message. */
export class OutputClosed extends Error {
  override name = "OutputClosed";
}
