/** Typed calls to a daemon. Knows methods and paths, never the schemas: those cost more to load than a call takes. */
import type { Input, Result } from "../contract/all.ts";
import { type EndpointId, paths } from "../contract/paths.ts";
import { failureOf, notBhatti, unreachable } from "./failure.ts";
import type { Timing } from "./timing.ts";
import { type ConnectWebSocket, type Fetch, type Upgraded, UpgradeRefused } from "./transport.ts";

export interface ClientOptions {
  url: string;
  token: string;
  fetch: Fetch;
  connectWebSocket: ConnectWebSocket;
  timing?: Timing;
}

export interface Answer<T> {
  result: T;
  headers: Headers;
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

  /** Throws DaemonError when the daemon refuses, BhattiError when there is no daemon to refuse. */
  async call<Id extends EndpointId>(
    id: Id,
    input: Input<Id>,
    signal?: AbortSignal,
  ): Promise<Answer<Result<Id>>> {
    // Every input is made of these three; which of them an endpoint has is what Input says.
    const { method, url, parts } = this.#request(id, input as Parts);
    const hasBody = parts.body !== undefined;
    const response = await this.#send(url, {
      method,
      headers: {
        ...this.#headers(),
        accept: "application/json",
        ...(hasBody && { "content-type": "application/json" }),
      },
      ...(hasBody && { body: JSON.stringify(parts.body) }),
      ...(signal && { signal }),
    });
    const result = await this.#read(response);
    this.#options.timing?.end();
    return { result: result as Result<Id>, headers: response.headers };
  }

  /** Opens the WebSocket of an endpoint. */
  async upgrade(
    id: "exec.stream",
    params: { ref: string },
    signal?: AbortSignal,
  ): Promise<Upgraded> {
    const { url } = this.#request(id, { params });
    this.#options.timing?.start();
    try {
      const upgraded = await this.#options.connectWebSocket(url, {
        headers: this.#headers(),
        ...(signal && { signal }),
      });
      this.#options.timing?.connected();
      this.#answered(upgraded.headers);
      return upgraded;
    } catch (error) {
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

  #answered(headers: Headers): void {
    for (const listener of this.#onHeaders) listener(headers);
  }

  #headers(): Record<string, string> {
    return this.#options.token ? { authorization: `Bearer ${this.#options.token}` } : {};
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    this.#options.timing?.start();
    const response = await this.#options.fetch(url, init).catch((cause: unknown) => {
      throw init.signal?.aborted ? cause : unreachable(this.url, cause);
    });
    this.#options.timing?.firstByte();
    this.#answered(response.headers);
    return response;
  }

  async #read(response: Response): Promise<unknown> {
    if (!response.ok) throw await failureOf(response, this.url);
    const text = await response.text().catch((cause: unknown) => {
      throw unreachable(this.url, cause);
    });
    try {
      return JSON.parse(text);
    } catch {
      throw notBhatti(this.url, response);
    }
  }
}
