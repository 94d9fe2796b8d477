/** One piece of work on the guest's files, logs among them, from its OPEN frame to its result. */
import type { z } from "zod";
import { reasonOf } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { encodeCredit, FrameType, ProtocolError } from "./frame.ts";
import { fromGuest } from "./guest-error.ts";
import type { GuestBytes } from "./guest-files.ts";
import type { Line, StreamHandler } from "./line.ts";
import { errorMessage, parseMessage } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { OutputQueue, outputChannel } from "./output-queue.ts";

export interface Schemas<Opened, Result> {
  opened: z.ZodType<Opened>;
  result: z.ZodType<Result>;
}

/**
 * An async iterable of the content that the guest sends, which must be consumed or released for it to make progress.
 * The signal lets go of it, and whoever waits hears its reason. Whoever waits when it is released hears `cancelled`, so
 * that content which is cut short is not taken for all of it.
 */
export class FileStream<Opened, Result> implements GuestBytes, StreamHandler {
  readonly opened: Promise<Opened>;
  /** Settles after the last content was taken. */
  readonly result: Promise<Result>;
  readonly #line: Line;
  readonly #stream: number;
  readonly #schemas: Schemas<Opened, Result>;
  readonly #signal: AbortSignal;
  readonly #opened = Promise.withResolvers<Opened>();
  readonly #result = Promise.withResolvers<Result>();
  readonly #content: OutputQueue;
  readonly #input: Outgoing;
  readonly #onAbort = () => this.#letGo(reasonOf(this.#signal));
  #state: "starting" | "running" | "over" = "starting";

  constructor(line: Line, open: object, schemas: Schemas<Opened, Result>, signal: AbortSignal) {
    this.#line = line;
    this.#schemas = schemas;
    this.#signal = signal;
    this.opened = this.#opened.promise;
    this.result = this.#result.promise;
    this.opened.catch(() => {}); // not everyone asks for it
    this.result.catch(() => {});
    this.#stream = line.open(open, this, signal);
    this.#content = new OutputQueue((bytes) => line.send(encodeCredit(this.#stream, bytes)));
    this.#input = new Outgoing(this.#stream, (frames) => line.sendWhenRoom(frames));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    try {
      for (;;) {
        const { done, value } = await this.#content.next();
        if (done) return;
        yield value.chunk.subarray(1);
      }
    } finally {
      this.release();
    }
  }

  /** Sends all of it and says that this was all. What goes wrong on the guest's side is told by `result` alone. */
  async send(content: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of content) {
        if (this.#state === "over") return;
        await this.#input.write(piece);
      }
    } catch (error) {
      this.#letGo(error instanceof Error ? error : new Error(String(error)));
    }
    this.#input.end(over());
  }

  release(): void {
    this.#letGo(over());
  }

  onFrame(type: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.data:
        this.#onData(payload);
        break;
      case FrameType.credit:
        this.#input.grant(payload);
        break;
      case FrameType.opened:
        this.#onOpened(payload);
        break;
      case FrameType.result:
        this.#onResult(payload);
        break;
      case FrameType.error:
        this.#fail(fromGuest(parseMessage(errorMessage, "error", payload)));
        break;
      default:
        throw new ProtocolError("bad_type", `The guest sent a frame of type ${type} on a file`);
    }
  }

  onLost(reason: BhattiError): void {
    this.#fail(reason);
  }

  #onOpened(payload: Uint8Array): void {
    if (this.#state !== "starting") throw new ProtocolError("bad_order", "A file opened twice");
    this.#opened.resolve(parseMessage(this.#schemas.opened, "opened", payload));
    this.#state = "running";
  }

  #onData(payload: Uint8Array): void {
    const channel = outputChannel(payload);
    if (payload.length < 2) throw new ProtocolError("bad_payload", "A piece of a file is empty");
    if (this.#state !== "running") {
      throw new ProtocolError("bad_order", "Content came before the file was open");
    }
    this.#content.push(channel, payload);
  }

  #onResult(payload: Uint8Array): void {
    if (this.#state !== "running") throw new ProtocolError("bad_order", "A result came too early");
    const result = parseMessage(this.#schemas.result, "result", payload);
    this.#finish(over());
    this.#content.end(() => this.#result.resolve(result));
  }

  #letGo(reason: Error): void {
    if (this.#state !== "over") {
      this.#line.release(this.#stream);
      this.#fail(reason);
    }
    this.#content.clear();
  }

  #fail(error: Error): void {
    if (this.#state === "over") return;
    this.#finish(error);
    this.#opened.reject(error);
    this.#result.reject(error);
    this.#content.fail(error);
  }

  #finish(inputRefusal: Error): void {
    this.#state = "over";
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#input.stop(inputRefusal);
  }
}

function over(): BhattiError {
  return new BhattiError("cancelled", "The file transfer was released");
}
