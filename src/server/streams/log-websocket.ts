/** A log over a WebSocket: where it begins, its bytes as they come, and that its session has ended. */
import { releasedBy } from "../../async/pieces.ts";
import { OutputTaken } from "../../contract/output-window.ts";
import type { LogEvent } from "../../contract/sessions.ts";
import type { ReadLog } from "../../services/sessions.ts";
import { parseJson } from "../json-input.ts";
import { parse } from "../validation.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";

export class LogConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #session: string;
  readonly #read: (signal: AbortSignal) => Promise<ReadLog>;

  constructor(
    connection: SocketConnection,
    session: string,
    read: (signal: AbortSignal) => Promise<ReadLog>,
    window: number | undefined,
  ) {
    this.#connection = connection;
    connection.window.limit(window);
    this.#session = session;
    this.#read = read;
  }

  begin(): void {
    this.#connection.run(() => this.#run());
  }

  received(message: string | Buffer): void {
    const { bytes } = parse(OutputTaken, parseJson(String(message), "message"), "message");
    this.#connection.window.take(bytes);
  }

  async #run(): Promise<void> {
    const { over } = this.#connection;
    const log = await this.#read(over);
    using _ = releasedBy(over, log);
    const { offset } = log;
    const known = offset === undefined ? {} : { offset };
    this.#tell({ type: "log", session_id: this.#session, ...known });
    for await (const piece of log) await this.#connection.send(piece);
    this.#tell({ type: "end" });
    this.#connection.end(closeCodes.done);
  }

  #tell(event: LogEvent): void {
    this.#connection.tell(event);
  }
}
