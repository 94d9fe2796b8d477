/** The terminal WebSocket of earlier clients: a shell from the start, its output as binary frames. */
import type { RunningCommand } from "../../services/running-command.ts";
import { relay } from "./relay.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";
import { TerminalKeys } from "./terminal-keys.ts";

export class ShellConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #start: (signal: AbortSignal) => Promise<RunningCommand>;
  readonly #keys = new TerminalKeys();

  constructor(
    connection: SocketConnection,
    start: (signal: AbortSignal) => Promise<RunningCommand>,
  ) {
    this.#connection = connection;
    this.#start = start;
    connection.over.addEventListener("abort", () => this.#keys.stop(), { once: true });
  }

  begin(): void {
    this.#connection.run(() => this.#run());
  }

  received(message: string | Buffer): void {
    this.#keys.take(message);
  }

  async #run(): Promise<void> {
    const connection = this.#connection;
    const shell = await this.#start(connection.over);
    connection.tell({ type: "session", session_id: shell.session });
    this.#keys.feed(shell);
    if (shell.prelude !== "") await connection.send(Buffer.from(shell.prelude));
    const result = await relay(connection, shell, (chunk) => connection.send(chunk.subarray(1)));
    if (result) connection.end(closeCodes.done);
  }
}
