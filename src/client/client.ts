/** Typed calls to a daemon. Knows methods and paths, never the schemas: those cost more to load than a call takes. */
import { abortable, reasonOf } from "../async/deadline.ts";
import type { Input, Result } from "../contract/all.ts";
import { type lifeMs, operationMs, patienceMs, socketMs } from "../contract/deadlines.ts";
import { type EndpointId, paths } from "../contract/paths.ts";
import type { BhattiError } from "../errors/bhatti-error.ts";
import { answerIn, type Received } from "./answer.ts";
import { failureOf, notBhatti, silent, unreachable } from "./failure.ts";
import { Patience } from "./patience.ts";
import { retryAfterLimit } from "./retry-after.ts";
import type { Timing } from "./timing.ts";
import {
  type ConnectWebSocket,
  type Fetch,
  UpgradeRefused,
  type WebSocketChannel,
} from "./transport.ts";

export interface ClientOptions {
  url: string;
  token: string;
  fetch: Fetch;
  connectWebSocket: ConnectWebSocket;
  timing?: Timing;
  /** Called before each wait for the daemon's rate limit. `totalMs`: of all waits of this request. */
  onRateLimit?: (totalMs: number) => void;
  /** Instead of the contract's `lifeMs`. */
  life?: typeof lifeMs;
}

export interface Answer<T> {
  result: T;
  headers: Headers;
}

/** What is bytes, one way or both, or lines without end. */
export type TransferId =
  | "file.read"
  | "file.write"
  | "file.pull"
  | "file.push"
  | "file.watch"
  | "session.log";

/** What is a WebSocket. */
export type SocketId = "exec.stream" | "session.follow";

/** All that one JSON answer can be had for: not what is a WebSocket (`upgrade`), nor bytes (`transfer`). */
export type CallId = Exclude<
  EndpointId,
  TransferId | SocketId | "exec.shell" | "exec.piped" | "share.page" | "share.stream"
>;

export interface Transfer {
  /** Opens the body from its beginning at each call; `size` is its length in bytes, if known. */
  body?: () => ReadableStream<Uint8Array>;
  size?: number;
  /** Ends it, with the signal's reason. */
  signal?: AbortSignal;
  /** For the headers of an answer to which no body goes up. */
  milliseconds?: number;
}

interface Parts {
  params?: Record<string, string>;
  query?: Record<string, string | string[] | undefined>;
  body?: unknown;
}

export class Client {
  readonly url: string;
  readonly #options: ClientOptions;
  readonly #onHeaders = new Set<(headers: Headers) => void>();

  constructor(options: ClientOptions) {
    this.url = options.url;
    this.#options = options;
  }

  /** The listener sees the headers of every answer, until it is told to stop by the returned function. */
  onHeaders(listener: (headers: Headers) => void): () => void {
    this.#onHeaders.add(listener);
    return () => void this.#onHeaders.delete(listener);
  }

  /**
   * Waits for the daemon's rate limit, a minute at most. Throws DaemonError for an error of the daemon, BhattiError
   * if it is not reachable or does not answer within that many milliseconds.
   */
  call<Id extends CallId>(
    id: Id,
    input: Input<Id>,
    milliseconds = patienceMs(id, (input as Parts).body),
  ): Promise<Answer<Received<Result<Id>>>> {
    return this.retry(() => this.#callOnce(id, input, milliseconds));
  }

  async #callOnce<Id extends CallId>(
    id: Id,
    input: Input<Id>,
    milliseconds: number,
  ): Promise<Answer<Received<Result<Id>>>> {
    // Every input is made of these three; which of them an endpoint has is what Input says.
    const { method, url, parts } = this.#request(id, input as Parts);
    const hasBody = parts.body !== undefined;
    using patience = this.#patience(milliseconds);
    const gone = (cause: unknown) => this.#gone(id, patience, cause);
    const request = {
      method,
      headers: {
        ...this.#headers(),
        accept: "application/json",
        ...(hasBody && { "content-type": "application/json" }),
      },
      ...(hasBody && { body: JSON.stringify(parts.body) }),
      signal: patience.signal,
      timeout: false, // Bun's own, of five minutes without a byte
    };
    const response = await this.#send(url, request, gone);
    const result = await this.#read(id, response, gone);
    this.#options.timing?.end();
    return { result: result as Received<Result<Id>>, headers: response.headers };
  }

  /**
   * Resolves with the headers of an answer that is a success; its body must be read, or cancelled. What is sent takes as
   * long as it takes. Waits and throws as `call` does.
   */
  transfer<Id extends TransferId>(
    id: Id,
    input: Pick<Input<Id>, "params" | "query">,
    { body: makeBody, ...transfer }: Transfer = {},
  ): Promise<Response> {
    const attempt = () => this.#transferOnce(id, input, { ...transfer, body: makeBody?.() });
    return this.retry(attempt, transfer.signal);
  }

  async #transferOnce<Id extends TransferId>(
    id: Id,
    input: Pick<Input<Id>, "params" | "query">,
    {
      body,
      size,
      signal,
      milliseconds = patienceMs(id),
    }: Omit<Transfer, "body"> & { body: ReadableStream<Uint8Array> | undefined },
  ): Promise<Response> {
    const { method, url } = this.#request(id, input as Parts);
    // An upload has no deadline.
    using patience = body === undefined ? this.#patience(milliseconds) : undefined;
    const gone = (cause: unknown) =>
      signal?.aborted ? reasonOf(signal) : this.#gone(id, patience, cause);
    const signals = [signal, patience?.signal].filter((one) => one !== undefined);
    const request = {
      method,
      headers: {
        ...this.#headers(),
        ...(size !== undefined && { "content-length": String(size) }),
      },
      ...(body !== undefined && { body, duplex: "half" }),
      signal: AbortSignal.any(signals),
      timeout: false, // Bun's own for a connection that is silent for minutes, as a watch may be
    };
    const response = await this.#send(url, request, gone);
    if (!response.ok) throw await failureOf(response, this.url);
    return response;
  }

  /** Repeats an attempt that the daemon's rate limit refuses. */
  retry<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retryAfterLimit(attempt, { signal, onWait: this.#options.onRateLimit });
  }

  /** Opens the WebSocket of an endpoint; `openSocket` waits for the rate limit too. */
  async upgrade<Id extends SocketId>(
    id: Id,
    input: Input<Id>,
    signal?: AbortSignal,
    milliseconds = patienceMs(id),
  ): Promise<WebSocketChannel> {
    const { url } = this.#request(id, input as Parts);
    const overdue = AbortSignal.timeout(milliseconds);
    const both = signal ? AbortSignal.any([signal, overdue]) : overdue;
    this.#options.timing?.start();
    try {
      const channel = await abortable(
        this.#options.connectWebSocket(url, {
          headers: this.#headers(),
          silenceMs: socketMs.silence,
          signal: both,
        }),
        both,
      );
      this.#options.timing?.connected();
      return channel;
    } catch (error) {
      if (overdue.aborted) throw silent(this.url, milliseconds, error);
      if (!(error instanceof UpgradeRefused)) throw unreachable(this.url, error);
      this.#answered(error.response.headers);
      if (error.response.ok) throw notBhatti(this.url, error.response);
      throw await failureOf(error.response, this.url);
    }
  }

  #request(id: EndpointId, parts: Parts) {
    const [method = "", pattern = ""] = paths[id].split(" ");
    const path = pattern.replace(/:(\w+)/g, (_, name: string) =>
      encodeURIComponent(parts.params?.[name] ?? ""),
    );
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parts.query ?? {})) {
      for (const one of value === undefined ? [] : [value].flat()) query.append(name, one);
    }
    const question = query.size > 0 ? `?${query}` : "";
    return { method, url: this.url + path + question, parts };
  }

  #patience(milliseconds: number): Patience {
    const { fetch, life } = this.#options;
    return new Patience({ url: this.url, fetch, milliseconds, ...(life && { life }) });
  }

  #gone(id: EndpointId, patience: Patience | undefined, cause: unknown): BhattiError {
    const isOperation = id in operationMs;
    const { silentMs } = patience ?? {};
    return silentMs === undefined
      ? unreachable(this.url, cause, isOperation)
      : silent(this.url, silentMs, cause, isOperation);
  }

  #answered(headers: Headers): void {
    for (const listener of this.#onHeaders) listener(headers);
  }

  #headers(): Record<string, string> {
    return this.#options.token ? { authorization: `Bearer ${this.#options.token}` } : {};
  }

  async #send(url: string, init: RequestInit, gone: (cause: unknown) => Error): Promise<Response> {
    this.#options.timing?.start();
    const response = await this.#options.fetch(url, init).catch((cause: unknown) => {
      throw gone(cause);
    });
    this.#options.timing?.firstByte();
    this.#answered(response.headers);
    return response;
  }

  async #read(
    id: CallId,
    response: Response,
    gone: (cause: unknown) => BhattiError,
  ): Promise<object | undefined> {
    if (!response.ok) throw await failureOf(response, this.url);
    // Nothing to say is an answer, when it is the daemon who says it.
    if (response.status === 204 && response.headers.has("x-bhatti-version")) return undefined;
    const text = await response.text().catch((cause: unknown) => {
      throw gone(cause);
    });
    const answer = answerIn(id, text);
    if (!answer) throw notBhatti(this.url, response);
    return answer;
  }
}
