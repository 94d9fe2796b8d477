/** The line to one guest: requests and their replies, streams and their frames, and why it ended. */
import type { z } from "zod";
import { reasonOf } from "../async/deadline.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { Connection } from "../host/socket.ts";
import { Allowance } from "./allowance.ts";
import {
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameType,
  initialCredit,
  isKnownType,
  isMessage,
  isStreamType,
  ProtocolError,
} from "./frame.ts";
import type { GuestHello } from "./guest.ts";
import { fromGuest, printable } from "./guest-error.ts";
import { MessageAssembly } from "./message-assembly.ts";
import { helloMessage, parseMessage, parseValue, replyMessage } from "./messages.ts";
import { markerWith, newNonce, preamble } from "./sync.ts";
import { SynchronisedReader } from "./synchronised-reader.ts";

/** Who handles the frames of one stream. */
export interface StreamHandler {
  /** A message is whole. RESULT and ERROR are the last frames. Throws a ProtocolError, which ends the line. */
  onFrame(type: number, payload: Uint8Array): void;
  /** The line has ended before the stream. */
  onLost(reason: BhattiError): void;
}

interface PendingRequest {
  /** Throws a ProtocolError when it is not what such a request is answered with. */
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** More than this in front of a request means that the guest has stopped reading. */
const maxBufferedBytes = 32 * 1024 * 1024;
/** Payload that may still come on a stream after we closed it: its credit in the smallest frames, and some words. */
const releasedAllowance = 3 * initialCredit;
const maxReleasedStreams = 4096;

export class Line {
  readonly closed: Promise<BhattiError>;
  readonly hello: Promise<GuestHello>;
  readonly #settleHello: PromiseWithResolvers<GuestHello>;
  readonly #settleClosed: (reason: BhattiError) => void;
  readonly #connection: Connection;
  readonly #nonce = newNonce();
  readonly #reader: SynchronisedReader;
  readonly #assembly = new MessageAssembly();
  readonly #pending = new Map<number, PendingRequest>();
  /** Requests that were given up and are not answered yet. */
  #abandoned = 0;
  readonly #unknownFrames = new Allowance("frames of unknown types");
  readonly #streams = new Map<number, StreamHandler>();
  /** Streams that we closed and of which frames may still be under way, with how many bytes. */
  readonly #released = new Map<number, number>();
  #lastRequest = 0;
  #lastStream = -1;
  #greetings = 0;
  #hellos = 0;
  #lost: BhattiError | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    const closed = Promise.withResolvers<BhattiError>();
    this.closed = closed.promise;
    this.#settleClosed = closed.resolve;
    this.#settleHello = Promise.withResolvers();
    this.hello = this.#settleHello.promise;
    this.hello.catch(() => {}); // whoever waits for it hears of it
    this.#reader = new SynchronisedReader(this.#nonce, (frame) => this.#take(frame));
    connection.onData((chunk) => this.#receive(chunk));
    void connection.closed.then((error) => {
      this.#lose(error ? error.message : "closed by the guest", error);
    });
  }

  /**
   * Says who we are. To be repeated until the hello has come; does nothing while an earlier one is still in the way.
   * `between` says that the guest surely stands between two frames, so that there is nothing to complete.
   */
  greet(between = false): void {
    if (this.#lost || this.#connection.buffered > 0) return;
    this.#greetings++;
    this.#reader.greeted();
    void this.#connection.write(between ? markerWith(this.#nonce) : preamble(this.#nonce));
  }

  /** Rejects with what the guest answers, with the signal's reason, or with why the line was lost. */
  request<T>(
    method: string,
    params: object,
    result: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const refusal = this.#refusal(signal);
    if (refusal) return Promise.reject(refusal);
    const id = ++this.#lastRequest;
    const message = this.#encode(0, FrameType.request, { id, method, params });
    if (message instanceof BhattiError) return Promise.reject(message);
    const reply = Promise.withResolvers<T>();
    const onAbort = () => {
      if (this.#pending.delete(id)) this.#abandoned++;
      reply.reject(reasonOf(signal));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#pending.set(id, {
      resolve: (value) => reply.resolve(parseValue(result, `reply to ${method}`, value)),
      reject: reply.reject,
    });
    void this.#connection.write(message);
    return reply.promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** Opens a stream and gives its number. Throws when that is not possible. */
  open(message: object, handler: StreamHandler, signal: AbortSignal): number {
    const refusal = this.#refusal(signal);
    if (refusal) throw refusal;
    const stream = this.#lastStream + 2;
    const opening = this.#encode(stream, FrameType.open, message);
    if (opening instanceof BhattiError) throw opening;
    this.#lastStream = stream;
    this.#streams.set(stream, handler);
    void this.#connection.write(opening);
    return stream;
  }

  /** Passes encoded frames on. */
  send(frames: Uint8Array): void {
    void this.#connection.write(frames);
  }

  /** Passes encoded frames on; resolves when there is room for more, rejects with why the line was lost. */
  sendWhenRoom(frames: Uint8Array): Promise<void> {
    return this.#connection.write(frames).catch(async () => {
      throw await this.closed;
    });
  }

  /** Tells the guest that nobody is interested any more. The stream's handler hears nothing further. */
  release(stream: number): void {
    if (!this.#streams.delete(stream)) return;
    this.#assembly.forget(stream);
    this.#released.set(stream, releasedAllowance);
    if (this.#released.size > maxReleasedStreams) {
      const [oldest] = this.#released.keys();
      if (oldest !== undefined) this.#released.delete(oldest);
    }
    void this.#connection.write(encodeFrame(stream, FrameType.close, new Uint8Array(0)));
  }

  close(): void {
    this.#lose("closed by the daemon");
  }

  /** Closes the connection of a guest that broke the protocol; returns why it is gone. */
  fail(violation: ProtocolError): BhattiError {
    return this.#lose(violation.message, violation);
  }

  #refusal(signal: AbortSignal): BhattiError | Error | undefined {
    if (this.#lost) return this.#lost;
    if (signal.aborted) return reasonOf(signal);
    if (this.#connection.buffered <= maxBufferedBytes) return undefined;
    return new BhattiError("guest_unresponsive", "The guest does not read from its connection");
  }

  #encode(stream: number, type: number, message: object): Uint8Array | BhattiError {
    try {
      return encodeMessage(stream, type, message);
    } catch (cause) {
      return new BhattiError(
        "bad_request",
        `The request is too large for the guest: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.#lost) return;
    try {
      this.#reader.feed(chunk);
    } catch (error) {
      this.#lose(messageOf(error), error);
    }
  }

  #take(frame: Frame): void {
    if (!isKnownType(frame.type)) {
      this.#unknownFrames.take(); // of a later version
      return;
    }
    if (frame.flags !== 0 && !isMessage(frame.type)) {
      throw new ProtocolError("bad_flags", `A frame of type ${frame.type} cannot be split`);
    }
    if (frame.stream === 0) this.#takeControl(frame);
    else this.#takeStream(frame);
  }

  #takeControl(frame: Frame): void {
    if (frame.type !== FrameType.hello && frame.type !== FrameType.reply) {
      throw new ProtocolError("bad_type", `The guest sent a frame of type ${frame.type}`);
    }
    const payload = this.#assembly.add(frame);
    if (!payload) return;
    if (frame.type === FrameType.reply) this.#takeReply(payload);
    else this.#takeHello(payload);
  }

  #takeHello(payload: Uint8Array): void {
    if (++this.#hellos > this.#greetings) {
      throw new ProtocolError("bad_order", "The guest greets without having been greeted");
    }
    this.#settleHello.resolve(parseMessage(helloMessage, "hello", payload));
  }

  #takeReply(payload: Uint8Array): void {
    const reply = parseMessage(replyMessage, "reply", payload);
    const waiting = this.#pending.get(reply.id);
    if (!waiting) {
      if (reply.id > 0 && reply.id <= this.#lastRequest && this.#abandoned > 0) {
        this.#abandoned--;
        return;
      }
      const why = `The guest replied to ${reply.id}, which was not requested`;
      throw new ProtocolError("bad_payload", why);
    }
    if ("error" in reply) waiting.reject(fromGuest(reply.error));
    else waiting.resolve(reply.result);
    this.#pending.delete(reply.id);
  }

  #takeStream(frame: Frame): void {
    if (!isStreamType(frame.type)) {
      throw new ProtocolError("bad_stream", `A frame of type ${frame.type} came on a stream`);
    }
    const handler = this.#streams.get(frame.stream);
    if (!handler) {
      this.#takeReleased(frame);
      return;
    }
    const payload = isMessage(frame.type) ? this.#assembly.add(frame) : frame.payload;
    if (!payload) return;
    handler.onFrame(frame.type, payload);
    if (!isLast(frame)) return; // only now: a malformed last frame loses the line, of which the handler must hear
    this.#streams.delete(frame.stream);
    this.#assembly.forget(frame.stream);
  }

  #takeReleased(frame: Frame): void {
    const allowed = this.#released.get(frame.stream);
    if (allowed === undefined) {
      throw new ProtocolError(
        "bad_stream",
        `A frame came on stream ${frame.stream}, which is not open`,
      );
    }
    const left = allowed - Math.max(1, frame.payload.length);
    if (left < 0) {
      throw new ProtocolError("over_credit", "The guest keeps sending on a closed stream");
    }
    if (isLast(frame)) this.#released.delete(frame.stream);
    else this.#released.set(frame.stream, left);
  }

  #lose(why: string, cause?: unknown): BhattiError {
    if (this.#lost) return this.#lost;
    const reason = new BhattiError(
      "machine_lost",
      `Lost the connection to the guest: ${printable(why)}`,
      {
        cause,
      },
    );
    this.#lost = reason;
    this.#connection.close();
    this.#settleHello.reject(reason);
    for (const waiting of this.#pending.values()) waiting.reject(reason);
    this.#pending.clear();
    for (const handler of this.#streams.values()) handler.onLost(reason);
    this.#streams.clear();
    this.#settleClosed(reason);
    return reason;
  }
}

function isLast(frame: Frame): boolean {
  const ends = frame.type === FrameType.result || frame.type === FrameType.error;
  return ends && frame.flags === 0;
}
