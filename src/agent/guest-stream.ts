/** A stream to the guest, from its OPEN frame to its RESULT: a process, a session, a log, or a job on files. */
import type { z } from "zod";
import { reasonOf } from "../async/deadline.ts";
import type { BhattiError } from "../errors/bhatti-error.ts";
import { encodeCredit, encodeMessage, FrameType, ProtocolError } from "./frame.ts";
import type { ExecOutput } from "./guest.ts";
import { fromGuest } from "./guest-error.ts";
import type { GuestBytes } from "./guest-files.ts";
import type { Line, StreamHandler } from "./line.ts";
import { errorMessage, parseMessage } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { OutputQueue, outputChannel } from "./output-queue.ts";

/** Why a stream takes no more input. */
type InputEnd = "ended" | "released" | "closed";

export interface StreamPlan<Opened, Result> {
  /** Content of the OPEN frame. */
  message: object & { kind: string };
  /** Content of the OPENED frame. */
  opened: z.ZodType<Opened>;
  /** Content of the RESULT frame. */
  result: z.ZodType<Result>;
  /** Result of a stream that was released. Without it, `result` and the output reject with `refusal("released")`. */
  released?: Result;
  /** The error for input after the given event. */
  refusal(end: InputEnd): BhattiError;
  /** Whether the guest may send DATA. */
  hasOutput: boolean;
  /** Takes a CONTROL frame; without it the guest may send none. Throws a ProtocolError. */
  onControl?(payload: Uint8Array): void;
}

/**
 * An async iterable of the output, which must be consumed to its end or released for the guest to make progress. An
 * abort of the signal releases the stream; the output and the result then reject with the signal's reason.
 */
export class GuestStream<Opened, Result> implements AsyncIterable<ExecOutput>, StreamHandler {
  readonly opened: Promise<Opened>;
  /** Settles after the last output was consumed. */
  readonly result: Promise<Result>;
  readonly #line: Line;
  readonly #id: number;
  readonly #plan: StreamPlan<Opened, Result>;
  readonly #signal: AbortSignal;
  readonly #opened = Promise.withResolvers<Opened>();
  readonly #result = Promise.withResolvers<Result>();
  readonly #output: OutputQueue;
  readonly #input: Outgoing;
  readonly #onAbort = () => this.#release(reasonOf(this.#signal));
  /** Channels of output that have ended. */
  readonly #ended = new Set<number>();
  /** `draining`: the result is here, and output waits for its consumer. */
  #state: "opening" | "open" | "draining" | "over" = "opening";

  /** Throws the signal's reason, or why the line is closed. */
  constructor(line: Line, plan: StreamPlan<Opened, Result>, signal: AbortSignal) {
    this.#line = line;
    this.#plan = plan;
    this.#signal = signal;
    this.opened = this.#opened.promise;
    this.result = this.#result.promise;
    this.opened.catch(() => {}); // some callers use only one of the two
    this.result.catch(() => {});
    this.#id = line.open(plan.message, this, signal);
    this.#output = new OutputQueue((bytes) => line.send(encodeCredit(this.#id, bytes)));
    this.#input = new Outgoing(this.#id, (frames) => line.sendWhenRoom(frames));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecOutput, undefined> {
    return {
      next: () => this.#output.next(),
      return: () => {
        this.release();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** The output without its channel bytes. */
  get content(): GuestBytes {
    const output = this;
    return {
      release: () => output.release(),
      async *[Symbol.asyncIterator]() {
        for await (const { chunk } of output) yield chunk.subarray(1);
      },
    };
  }

  /** Resolves when all bytes are sent and there may be room for more. The bytes must not change until then. */
  write(data: Uint8Array): Promise<void> {
    return this.#input.write(data);
  }

  /** Sends END after all earlier writes. */
  endInput(): void {
    this.#input.end(this.#plan.refusal("closed"));
  }

  refuseInput(reason: Error): void {
    this.#input.stop(reason);
  }

  /** Sends all of the content, then END. An error of the content ends the stream; the guest's errors are in `result`. */
  async send(content: AsyncIterable<Uint8Array> | Uint8Array[]): Promise<void> {
    try {
      for await (const piece of content) {
        if (this.#state === "draining" || this.#state === "over") return;
        await this.write(piece);
      }
    } catch (error) {
      this.#release(error instanceof Error ? error : new Error(String(error)));
    }
    this.endInput();
  }

  /** Has no answer; does nothing unless the stream is open. */
  control(message: object): void {
    if (this.#state !== "open") return;
    this.#line.send(encodeMessage(this.#id, FrameType.control, message));
  }

  release(): void {
    this.#release(undefined);
  }

  onFrame(type: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.opened:
        this.#onOpened(payload);
        break;
      case FrameType.data:
        this.#onData(payload);
        break;
      case FrameType.end:
        this.#onEnd(payload);
        break;
      case FrameType.credit:
        this.#input.grant(payload);
        break;
      case FrameType.control:
        this.#onControl(payload);
        break;
      case FrameType.result:
        this.#onResult(payload);
        break;
      case FrameType.error:
        this.#fail(fromGuest(parseMessage(errorMessage, "error", payload)));
        break;
      default:
        throw new ProtocolError("bad_type", `The guest sent a frame of type ${type} on ${this}`);
    }
  }

  onLost(reason: BhattiError): void {
    this.#fail(reason);
  }

  toString(): string {
    return `a stream of kind '${this.#plan.message.kind}'`;
  }

  #onOpened(payload: Uint8Array): void {
    if (this.#state !== "opening") {
      throw new ProtocolError("bad_order", `The guest opened ${this} twice`);
    }
    this.#opened.resolve(parseMessage(this.#plan.opened, "opened", payload));
    this.#state = "open";
  }

  #onData(payload: Uint8Array): void {
    const channel = outputChannel(payload);
    if (payload.length < 2) throw new ProtocolError("bad_payload", "A piece of output is empty");
    this.#expectOutput(channel);
    this.#output.push(channel, payload);
  }

  #onEnd(payload: Uint8Array): void {
    if (payload.length !== 1) throw new ProtocolError("bad_payload", "An end is not 1 byte");
    const channel = outputChannel(payload);
    this.#expectOutput(channel);
    this.#ended.add(channel);
  }

  #expectOutput(channel: number): void {
    if (!this.#plan.hasOutput) {
      throw new ProtocolError("bad_order", `The guest sent output on ${this}, which has none`);
    }
    if (this.#state === "open" && !this.#ended.has(channel)) return;
    throw new ProtocolError("bad_order", "Output came before the start or after the end");
  }

  #onControl(payload: Uint8Array): void {
    const { onControl } = this.#plan;
    if (!onControl || this.#state !== "open") {
      throw new ProtocolError("bad_order", `The guest sent an unrequested control on ${this}`);
    }
    onControl(payload);
  }

  #onResult(payload: Uint8Array): void {
    if (this.#state !== "open") throw new ProtocolError("bad_order", "A result came too early");
    const result = parseMessage(this.#plan.result, "result", payload);
    this.#state = "draining";
    this.#input.stop(this.#plan.refusal("ended"));
    this.#output.end(() => {
      this.#finish(this.#plan.refusal("ended"));
      this.#result.resolve(result);
    });
  }

  #release(reason: Error | undefined): void {
    if (this.#state === "opening" || this.#state === "open") {
      this.#line.release(this.#id);
      const { released, refusal } = this.#plan;
      if (reason || released === undefined) this.#fail(reason ?? refusal("released"));
      else this.#endAs(released);
    } else if (reason) {
      this.#fail(reason);
    }
    this.#output.clear();
  }

  #endAs(result: Result): void {
    const refusal = this.#plan.refusal("released");
    this.#finish(refusal);
    this.#opened.reject(refusal);
    this.#result.resolve(result);
    this.#output.end(() => {});
  }

  #fail(error: Error): void {
    if (this.#state === "over") return;
    this.#finish(error);
    this.#opened.reject(error);
    this.#result.reject(error);
    this.#output.fail(error);
  }

  #finish(refusal: Error): void {
    this.#state = "over";
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#input.stop(refusal);
  }
}
