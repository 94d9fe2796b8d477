/** The WebSocket of earlier clients for programs that speak over stdio: input and output as text, and the exit code. */
import type { z } from "zod";
import { PipedStart } from "../../contract/sessions.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import { parseJson } from "../json-input.ts";
import { parse } from "../validation.ts";
import { relay } from "./relay.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";
import { TerminalKeys } from "./terminal-keys.ts";

export interface PipedStarts {
  /** The session that the request named. */
  attach?: (signal: AbortSignal) => Promise<RunningCommand>;
  start(request: z.output<typeof PipedStart>, signal: AbortSignal): Promise<RunningCommand>;
}

export class PipedConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #starts: PipedStarts;
  readonly #input = new TerminalKeys();
  #asked = false;

  constructor(connection: SocketConnection, starts: PipedStarts) {
    this.#connection = connection;
    this.#starts = starts;
    connection.over.addEventListener("abort", () => this.#input.stop(), { once: true });
  }

  begin(): void {
    const { attach } = this.#starts;
    if (!attach) return;
    this.#asked = true;
    this.#connection.run(() => this.#run(attach(this.#connection.over)));
  }

  received(message: string | Buffer): void {
    if (this.#asked) {
      this.#input.takeRaw(message);
      return;
    }
    this.#asked = true;
    const request = parse(PipedStart, parseJson(String(message), "first message"), "first message");
    this.#connection.run(() => this.#run(this.#starts.start(request, this.#connection.over)));
  }

  async #run(starting: Promise<RunningCommand>): Promise<void> {
    const connection = this.#connection;
    const command = await starting;
    connection.tell({ type: "session", session_id: command.session });
    this.#input.feed(command);
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    const say = async (text: string) => {
      if (text !== "") await connection.send(text);
    };
    const result = await relay(connection, command, (chunk) =>
      say(utf8.decode(chunk.subarray(1), { stream: true })),
    );
    if (!result) return;
    await say(utf8.decode());
    connection.tell({ type: "exit", exit_code: result.exitCode });
    connection.end(closeCodes.done);
  }
}
