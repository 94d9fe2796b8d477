/** One WebSocket, whatever is talked about on it: signs of life, back-pressure, and an error as the last word. */
import type { ServerWebSocket } from "bun";
import type { Clock } from "../../async/clock.ts";
import { socketMs } from "../../contract/deadlines.ts";
import { stdinWindowBytes } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { ErrorCode } from "../../errors/catalogue.ts";
import type { Logger } from "../../observability/log.ts";
import { type FailureBody, failureOf, noteUndocumented } from "../failure.ts";
import type { ServedSocket, SocketData } from "../request.ts";
import { OutputWindow } from "./output-window.ts";

type Socket = ServerWebSocket<SocketData>;

/** What is talked about. What it throws is told to the client, and ends the connection. */
export interface Conversation {
  /** The client is connected; nothing has come from it yet. */
  begin?(): void;
  received(message: string | Buffer): void;
  /** Twice a minute. */
  checkLife?(): void;
  /** How the client is told of a failure, when it is not in the usual words. */
  wording?(failure: FailureBody): object;
}

export interface SocketOptions {
  requestId: string;
  clock: Clock;
  log: Logger;
  /** Error codes that the endpoint documents. */
  documentedErrors?: ReadonlySet<ErrorCode> | undefined;
  /** Throws when the client may not talk now. */
  admit(): void;
  /** Aborted when the connection must end, with the reason for the client. */
  authorized?: AbortSignal | undefined;
  /** Whether the client has to speak first, and soon. */
  clientBegins: boolean;
  talk(connection: SocketConnection): Conversation;
}

const firstMessageMs = 10_000;
/** How long a client may take to read the error. */
const lastMessageMs = 10_000;
/** Close codes of RFC 6455. */
export const closeCodes = { done: 1000, refused: 1008, failed: 1011 } as const;

export class SocketConnection implements ServedSocket {
  readonly #options: SocketOptions;
  readonly #over = new AbortController();
  readonly #conversation: Conversation;
  #socket: Socket | undefined;
  #firstMessage: Disposable | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Closes the connection once the client has taken the last message. */
  #close: (() => void) | undefined;
  #lastHeard = performance.now();
  /** Output that the client has not processed yet; unlimited unless it asks for a window. */
  readonly window = new OutputWindow(this.#over.signal);

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#conversation = options.talk(this);
  }

  /** Aborted when the client is gone, or was told the last word. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  opened(socket: Socket): void {
    this.#socket = socket;
    const { authorized } = this.#options;
    const withdraw = () => this.fail(authorized?.reason);
    authorized?.addEventListener("abort", withdraw, { once: true, signal: this.over });
    if (this.#options.clientBegins) {
      const late = () => new BhattiError("bad_request", "no first message within 10 s");
      this.#firstMessage = this.#options.clock.timer(firstMessageMs, () => this.fail(late()));
    }
    this.#guard(() => {
      authorized?.throwIfAborted();
      this.#options.admit();
      this.#conversation.begin?.();
    });
  }

  received(message: string | Buffer): void {
    this.heard();
    this.#firstMessage?.[Symbol.dispose]();
    if (!this.over.aborted) this.#guard(() => this.#conversation.received(message));
  }

  drained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#close?.();
    this.heard();
  }

  heard(): void {
    this.#lastHeard = performance.now();
  }

  /** Gives up on a client that gave no sign of life for long although it takes what it is sent. */
  checkLife(): void {
    const socket = this.#socket;
    // Who does not read, such as a pager at the end of a pipe, sees no pings either: there TCP must tell.
    const stalled = this.#drained !== undefined || (socket?.getBufferedAmount() ?? 0) > 0;
    if (!stalled && performance.now() - this.#lastHeard > socketMs.silence) socket?.terminate();
    else socket?.ping();
    this.#conversation.checkLife?.();
  }

  closed(): void {
    this.#close = undefined;
    this.#firstMessage?.[Symbol.dispose]();
    this.#over.abort(new BhattiError("cancelled", "the client disconnected"));
    this.drained();
  }

  fail(error: unknown): void {
    if (this.over.aborted) return;
    const { requestId, log, documentedErrors } = this.#options;
    const { body, status } = failureOf(error, requestId, log);
    noteUndocumented(body.code, documentedErrors, log);
    this.tell(this.#conversation.wording?.(body) ?? { type: "error", ...body });
    const socket = this.#socket;
    this.end(status < 500 ? closeCodes.refused : closeCodes.failed);
    if (this.#close) this.#options.clock.timer(lastMessageMs, () => socket?.terminate());
  }

  /** The client hears how it fails, if it does. */
  run(work: () => Promise<void>): void {
    void work().catch((error: unknown) => this.fail(error));
  }

  /** A few words, for which there is always room. */
  tell(event: object): void {
    this.#socket?.sendText(JSON.stringify(event));
  }

  /** Sends output, of which `overhead` bytes do not count. Resolves when more may be sent, or the client is gone. */
  async send(message: string | Uint8Array, overhead = 0): Promise<void> {
    if (this.#socket?.send(message) === -1) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
    await this.window.add(message.length - overhead);
  }

  /** Flushes sent messages first: closing at once drops buffered data (Bun 1.4.5). */
  end(code: number): void {
    const socket = this.#socket;
    this.closed();
    this.#socket = undefined;
    this.#close = () => {
      if ((socket?.getBufferedAmount() ?? 0) > 0) return;
      this.#close = undefined;
      socket?.close(code);
    };
    this.#close();
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }
}

/**
 * Maximum bytes buffered for a client: one that sends pings or requests without reading is disconnected. Output waits for its
 * client after each message, so it stays far below.
 */
export const maxBufferedBytes = 1_048_576;

/** Larger messages end the connection: a request with its environment, or a window full of stdin. */
export function largestMessage(jsonBodyBytes: number): number {
  return Math.max(jsonBodyBytes, stdinWindowBytes + 1);
}
