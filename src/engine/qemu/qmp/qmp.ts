/** One QMP conversation with one QEMU process. Replies are matched to commands by id, so commands may overlap. */
import { abortable } from "../../../async/deadline.ts";
import { BhattiError, messageOf } from "../../../errors/bhatti-error.ts";
import { chunksOf, linesOf } from "../../../host/lines.ts";
import { type Connection, connectUnix } from "../../../host/socket.ts";

export interface QmpEvent {
  event: string;
  data: Record<string, unknown>;
}

interface Message {
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
  QMP?: unknown;
}

export class Qmp {
  readonly #connection: Connection;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #greeted = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<BhattiError>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #closed: BhattiError | undefined; // remembered, so that a late command fails at once
  #lastId = 0;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.#greeted.promise.catch(() => {});
    void this.#read();
  }

  /** Connects as soon as QEMU listens, and leaves negotiation mode. */
  static async connect(path: string, signal: AbortSignal): Promise<Qmp> {
    const qmp = new Qmp(await connectUnix(path, { signal, retry: true }));
    try {
      await abortable(qmp.#greeted.promise, signal);
      await qmp.execute("qmp_capabilities", {}, signal);
      return qmp;
    } catch (error) {
      qmp.close();
      throw error;
    }
  }

  /** Settles when the conversation is over: QEMU ended or the connection was closed. */
  get ended(): Promise<BhattiError> {
    return this.#ended.promise;
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** The first event of that name from now on. */
  async event(name: string, signal: AbortSignal): Promise<QmpEvent> {
    const found = Promise.withResolvers<QmpEvent>();
    const listener = (event: QmpEvent) => {
      if (event.event === name) found.resolve(event);
    };
    this.#listeners.add(listener);
    const over = this.#ended.promise.then((error) => Promise.reject(error));
    try {
      return await abortable(Promise.race([found.promise, over]), signal);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** Errors: machine_failed with QEMU's words when it refuses, machine_lost when it is gone. */
  async execute(
    command: string,
    args: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (this.#closed) throw this.#closed;
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = Promise.withResolvers<unknown>();
    this.#waiting.set(id, reply);
    try {
      void this.#connection.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
      return await abortable(reply.promise, signal);
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      throw new BhattiError("machine_failed", `QEMU refused ${command}: ${cause.message}`, {
        cause,
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#end(new BhattiError("machine_lost", "The QMP connection was closed"));
    this.#connection.close();
  }

  async #read(): Promise<void> {
    let why = "QEMU closed the QMP connection";
    try {
      const lines = linesOf(chunksOf(this.#connection), { maxBytes: 4 << 20 });
      for await (const line of lines) this.#handle(JSON.parse(line) as Message);
    } catch (error) {
      why = `The QMP connection failed: ${messageOf(error)}`;
      this.#connection.close();
    }
    this.#end(new BhattiError("machine_lost", why));
  }

  #handle(message: Message): void {
    if (message.QMP) this.#greeted.resolve();
    else if (message.event !== undefined) {
      for (const tell of this.#listeners) tell({ event: message.event, data: message.data ?? {} });
    } else if (message.id !== undefined) {
      const waiting = this.#waiting.get(message.id);
      if (message.error) waiting?.reject(new Refusal(message.error.desc));
      else waiting?.resolve(message.return);
    }
  }

  #end(error: BhattiError): void {
    if (this.#closed) return;
    this.#closed = error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#greeted.reject(error);
    this.#ended.resolve(error);
  }
}

class Refusal extends Error {}
