/** One session over as many connections as it takes: each goes on at the byte where the last one was lost. */
import type { AttachStart, ExecControl, ExecStart, ShellStart } from "../contract/exec.ts";
import type { Client } from "./client.ts";
import { type ExecOutput, ExecStream, type SessionEvent } from "./exec-stream.ts";
import { overConnections } from "./over-connections.ts";

export type SessionOutput =
  | ExecOutput
  | { type: "lost" }
  /** There is a connection again. `complete` unless output was dropped meanwhile, more than is kept. */
  | { type: "regained"; complete: boolean; session: SessionEvent };

export interface SessionOptions {
  client: Client;
  /** The sandbox. */
  ref: string;
  start: AttachStart | ExecStart | ShellStart;
  /** The terminal's size at the time. */
  size(): { rows: number; cols: number } | undefined;
  /** Ends it all, with this signal's reason. */
  signal: AbortSignal;
  /** Asked at each loss; always when absent. */
  mayReconnect?(): boolean;
  patienceMs?: number;
}

export class SessionStream {
  readonly #options: SessionOptions;
  #id: string | undefined;
  /** Number of the next byte of output. */
  #position = 0;
  #stream: ExecStream | undefined;
  #isConnected = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#stream?.close(), { once: true });
  }

  get id(): string | undefined {
    return this.#id;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Ends with the exit event. Throws as ExecStream does, connection_lost when there was none for too long. */
  async *events(): AsyncGenerator<SessionOutput> {
    const { client, signal, mayReconnect, patienceMs } = this.#options;
    yield* overConnections((isAgain) => this.#connection(isAgain), {
      ...{ url: client.url, signal, patienceMs },
      // Before the session is known, a second attempt could make a second one.
      mayReconnect: () => this.#id !== undefined && (mayReconnect?.() ?? true),
    });
  }

  /** What is written while there is no connection, or is on its way when it is lost, is lost too. */
  async writeStdin(bytes: Uint8Array): Promise<void> {
    if (this.#isConnected) await this.#stream?.writeStdin(bytes);
  }

  control(message: ExecControl): void {
    if (this.#isConnected) this.#stream?.control(message);
  }

  async *#connection(isAgain: boolean): AsyncGenerator<SessionOutput> {
    const { client, ref, signal } = this.#options;
    const stream = await ExecStream.open(client, ref, this.#firstMessage(), { signal });
    this.#stream = stream;
    try {
      for await (const event of stream.events()) {
        if (event.type === "session") yield this.#begun(event, isAgain);
        else {
          if (event.type !== "exit") this.#position += event.data.length;
          yield event;
        }
      }
    } finally {
      this.#isConnected = false;
      stream.close();
    }
  }

  #begun(session: SessionEvent, isAgain: boolean): SessionOutput {
    const { offset = 0 } = session;
    const complete = offset === this.#position;
    this.#id = session.session_id;
    this.#position = offset;
    this.#isConnected = true;
    return isAgain ? { type: "regained", complete, session } : session;
  }

  #firstMessage(): SessionOptions["start"] {
    const { start, size } = this.#options;
    if (this.#id === undefined) return start;
    const tty = "shell" in start || start.tty ? size() : undefined;
    const mode = "attach" in start ? start.mode : undefined;
    return {
      attach: this.#id,
      mode: mode ?? "control",
      from: this.#position,
      ...(tty && { tty }),
    };
  }
}
