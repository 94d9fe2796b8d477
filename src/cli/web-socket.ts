/**
 * The runtime's WebSocket as a channel that is read by pulling: a reader that falls behind pauses the socket, so the
 * sender sees back-pressure from TCP and nothing accumulates here.
 */
import {
  type ConnectWebSocket,
  type Fetch,
  UpgradeRefused,
  type WebSocketChannel,
} from "../client/transport.ts";
import { catalogue } from "../errors/catalogue.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Bun's WebSocket has methods that the DOM's types lack. */
const RuntimeWebSocket = WebSocket as unknown as new (
  url: string,
  options: Bun.WebSocketOptions,
) => Bun.WebSocket;

/** Received bytes at which the socket is paused, and below which it is resumed. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;
/** Unsent bytes above which a sender waits. */
const sendWater = 1024 * 1024;
const sendPollMs = 2;

const upgradeRequired = catalogue.upgrade_required.status;

/**
 * The runtime handles proxies and TLS, as for `fetch`. It hides the response of a refused upgrade, so `fetch` repeats the
 * request to get it.
 */
export function webSocketConnector(fetch: Fetch, env: Environment = {}): ConnectWebSocket {
  return async (url, { headers, silenceMs, signal }) => {
    const options = { headers, perMessageDeflate: false, ...proxyFor(url, env) };
    const socket = new RuntimeWebSocket(url.replace(/^http/, "ws"), options);
    const channel = new Channel(socket, silenceMs);
    const onAbort = () => channel.fail();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await channel.opened;
      return channel;
    } catch (error) {
      signal?.throwIfAborted();
      throw (await refusal(fetch, url, headers, signal)) ?? error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  };
}

/**
 * Returns undefined when the server refuses this request only because it is no handshake: the handshake failed for a
 * reason that has passed. Throws as `fetch` does when there is no server at all.
 */
async function refusal(
  fetch: Fetch,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<UpgradeRefused | undefined> {
  const response = await fetch(url, { headers, ...(signal && { signal }) });
  if (response.status !== upgradeRequired) return new UpgradeRefused(response);
  await response.body?.cancel();
  return undefined;
}

/** `fetch` reads these variables by itself, a WebSocket does not. */
function proxyFor(url: string, env: Environment): { proxy?: string } {
  const { protocol, hostname } = new URL(url);
  const name = protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const { [name]: upper, [name.toLowerCase()]: lower } = env;
  const proxy = upper || lower;
  const exceptions = (env["NO_PROXY"] || env["no_proxy"] || "").split(",");
  const isExcepted = exceptions.some((entry) => {
    const host = entry.trim().replace(/^\./, "");
    return host === "*" || (host !== "" && (hostname === host || hostname.endsWith(`.${host}`)));
  });
  return proxy && !isExcepted ? { proxy } : {};
}

class Channel implements WebSocketChannel {
  readonly messages: AsyncIterable<string | Uint8Array>;
  readonly #socket: Bun.WebSocket;
  readonly #silence: ReturnType<typeof setInterval>;
  readonly #opened = Promise.withResolvers<void>();
  readonly #received: (string | Uint8Array)[] = [];
  #receivedBytes = 0;
  #isOver = false;
  #heardAt = performance.now();
  #wakeReader: (() => void) | undefined;

  constructor(socket: Bun.WebSocket, silenceMs: number) {
    this.#socket = socket;
    this.#silence = setInterval(() => this.#checkLife(silenceMs), silenceMs / 3);
    this.#silence.unref();
    this.messages = { [Symbol.asyncIterator]: () => this.#read() };
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened.resolve();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.fail();
    socket.onerror = ({ error, message }) => this.#opened.reject(error ?? new Error(message));
    // A server that pings is alive.
    socket.addEventListener("ping", () => this.#heard());
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  async send(message: string | Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#isOver) return;
    this.#socket.send(message);
    while (this.#socket.bufferedAmount > sendWater && !this.#isOver) await Bun.sleep(sendPollMs);
  }

  close(): void {
    this.#end();
    this.#socket.close(1000);
  }

  /** The connection ended without a close frame. */
  fail(): void {
    this.#opened.reject(new Error("the connection was closed"));
    this.#end();
    this.#socket.terminate();
  }

  #end(): void {
    this.#isOver = true;
    clearInterval(this.#silence);
    this.#wakeReader?.();
  }

  #heard(): void {
    this.#heardAt = performance.now();
  }

  /** A paused socket receives no pings, so only TCP detects a dead peer. */
  #checkLife(silenceMs: number): void {
    if (this.#socket.isPaused) this.#heard();
    else if (performance.now() - this.#heardAt > silenceMs) this.fail();
  }

  #receive(data: string | ArrayBuffer): void {
    this.#heard();
    const message = typeof data === "string" ? data : new Uint8Array(data);
    this.#receivedBytes += message.length;
    this.#received.push(message);
    if (this.#receivedBytes > highWater && !this.#socket.isPaused) this.#socket.pause();
    this.#wakeReader?.();
  }

  async *#read(): AsyncGenerator<string | Uint8Array> {
    for (;;) {
      const message = this.#received.shift();
      if (message !== undefined) {
        this.#receivedBytes -= message.length;
        yield message;
      } else if (this.#isOver) return;
      else await this.#moreReceived();
      if (this.#socket.isPaused && this.#receivedBytes <= lowWater) this.#socket.resume();
    }
  }

  #moreReceived(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeReader = resolve;
    return promise;
  }
}
