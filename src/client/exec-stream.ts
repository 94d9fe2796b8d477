/** One command or session over one WebSocket: output as it comes, stdin as fast as it is taken, signals, the end. */
import type {
  AttachStart,
  ExecControl,
  ExecEvent,
  ExecStart,
  ShellStart,
} from "../contract/exec.ts";
import { stdinWindowBytes } from "../contract/exec-limits.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { eventIn } from "./answer.ts";
import type { Client } from "./client.ts";
import { openSocket, type SocketOptions } from "./open-socket.ts";
import type { WebSocketChannel } from "./transport.ts";

export type ExecOutput =
  | { type: "stdout" | "stderr"; data: Uint8Array }
  | Exclude<ExecEvent, { type: "error" | "stdin_credit" }>;

export type SessionEvent = Extract<ExecEvent, { type: "session" }>;
export type ExecExit = Extract<ExecEvent, { type: "exit" }>;

const streamNumber = { stdin: 0, stdout: 1, stderr: 2 } as const;
const largestChunk = 64 * 1024;

export class ExecStream implements Disposable {
  readonly #channel: WebSocketChannel;
  readonly #url: string;
  /** What may be sent before the daemon grants more. */
  #credit = stdinWindowBytes;
  #granted: (() => void) | undefined;
  #isOver = false;

  private constructor(channel: WebSocketChannel, url: string) {
    this.#channel = channel;
    this.#url = url;
  }

  /** Starts the command, or takes up a session; resolves when it has begun or failed. Throws as Client does. */
  static async open(
    client: Client,
    ref: string,
    start: ExecStart | AttachStart | ShellStart,
    waiting: Pick<SocketOptions, "onSent" | "signal"> = {},
  ): Promise<ExecStream> {
    const input = { params: { ref } };
    const channel = await openSocket(client, "exec.stream", input, { opening: start, ...waiting });
    return new ExecStream(channel, client.url);
  }

  /** Ends with the exit event. Throws DaemonError when the command can't run, connection_lost when its end is unknown. */
  async *events(): AsyncGenerator<ExecOutput> {
    try {
      for await (const message of this.#channel.messages) {
        const event = this.#understand(message);
        if (!event) continue;
        yield event;
        if (event.type === "exit") return;
      }
      throw new BhattiError(
        "connection_lost",
        `the connection to the daemon at ${this.#url} was lost before the command ended; its exit code is unknown`,
      );
    } finally {
      this.close();
    }
  }

  /** Sends bytes of stdin as far and as fast as the daemon takes them. */
  async writeStdin(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#credit <= 0 && !this.#isOver) await this.#moreCredit();
      if (this.#isOver) return;
      const count = Math.min(bytes.length - at, this.#credit, largestChunk);
      const message = new Uint8Array(1 + count);
      message[0] = streamNumber.stdin;
      message.set(bytes.subarray(at, at + count), 1);
      this.#credit -= count;
      at += count;
      await this.#channel.send(message);
    }
  }

  get isConnected(): boolean {
    return !this.#isOver;
  }

  control(message: ExecControl): void {
    // A connection that is gone shows in events().
    if (!this.#isOver) this.#channel.send(JSON.stringify(message)).catch(() => {});
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    this.#isOver = true;
    this.#granted?.();
    this.#channel.close();
  }

  #understand(message: string | Uint8Array): ExecOutput | undefined {
    if (typeof message !== "string") {
      const type = message[0] === streamNumber.stderr ? "stderr" : "stdout";
      return { type, data: message.subarray(1) };
    }
    const event = eventIn<Exclude<ExecEvent, { type: "error" }>>(message, this.#url, {
      session: ["session_id"],
      stdin_credit: ["bytes"],
      exit: ["exit_code"],
    });
    if (event.type !== "stdin_credit") return event;
    this.#credit += event.bytes;
    this.#granted?.();
    return undefined;
  }

  #moreCredit(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#granted = resolve;
    return promise;
  }
}
