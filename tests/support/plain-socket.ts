/** A plain WebSocket client of any path, which keeps what it is told: text and bytes in their order. */
import type { FakeDaemon } from "./fake-daemon.ts";
import { until } from "./until.ts";

export class PlainSocket {
  readonly texts: string[] = [];
  readonly closed: Promise<number>;
  readonly opened: Promise<void>;
  readonly #socket: WebSocket;
  readonly #bytes: Uint8Array[] = [];

  constructor(daemon: FakeDaemon, path: string, headers?: Record<string, string>) {
    const url = `${daemon.url.replace("http", "ws")}${path}`;
    const options = { headers: headers ?? { authorization: `Bearer ${daemon.key}` } };
    // Bun takes headers here; the DOM's types, which win, know nothing of that.
    this.#socket = new WebSocket(url, options as unknown as string[]);
    this.#socket.binaryType = "arraybuffer";
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    this.opened = opened.promise;
    this.closed = closed.promise;
    opened.promise.catch(() => {});
    this.#socket.onopen = () => opened.resolve();
    this.#socket.onclose = ({ code }) => {
      opened.reject(new Error(`the WebSocket was closed with ${code}`));
      closed.resolve(code);
    };
    this.#socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.texts.push(data);
      else this.#bytes.push(new Uint8Array(data));
    };
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  close(): void {
    this.#socket.close();
  }

  /** What came as bytes, as text. */
  get stdout(): string {
    return Buffer.concat(this.#bytes).toString("utf8");
  }

  /** The first text, as JSON. */
  async greeting(): Promise<Record<string, unknown>> {
    await until("a first message", () => this.texts.length > 0);
    return JSON.parse(this.texts[0] ?? "");
  }

  /** The text frame that is a JSON object of that type. */
  async told(type: string): Promise<Record<string, unknown>> {
    const find = () =>
      this.texts
        .filter((text) => text.startsWith("{"))
        .map((text) => JSON.parse(text) as Record<string, unknown>)
        .find((event) => event["type"] === type);
    await until(`to be told ${type}`, () => find() !== undefined);
    return find() ?? {};
  }
}
