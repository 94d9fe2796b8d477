/** A log over a WebSocket: where it begins, its bytes as they come, and that its session has ended. */
import { releasedBy } from "../../async/pieces.ts";
import type { LogEvent } from "../../contract/sessions.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { ReadLog } from "../../services/sessions.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";

export class LogConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #session: string;
  readonly #read: (signal: AbortSignal) => Promise<ReadLog>;

  constructor(
    connection: SocketConnection,
    session: string,
    read: (signal: AbortSignal) => Promise<ReadLog>,
  ) {
    this.#connection = connection;
    this.#session = session;
    this.#read = read;
  }

  begin(): void {
    this.#connection.run(() => this.#run());
  }

  received(): void {
    throw new BhattiError("bad_request", "a log is only read: it takes no messages");
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
