/** A plain WebSocket client of the exec endpoint that keeps what it is told. */
import type { ExecEvent } from "../../src/contract/exec.ts";
import { until } from "./until.ts";

interface Endpoint {
  url: string;
  key: string;
}

export class ExecSocketClient {
  readonly events: ExecEvent[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  #stdout: Uint8Array[] = [];
  #stderr: Uint8Array[] = [];

  constructor(daemon: Endpoint, ref: string, key = daemon.key) {
    const url = `${daemon.url.replace("http", "ws")}/sandboxes/${ref}/exec/stream`;
    const options = { headers: { authorization: `Bearer ${key}` } };
    // Bun takes headers here; the DOM's types, which win, know nothing of that.
    this.#socket = new WebSocket(url, options as unknown as string[]);
    this.#socket.binaryType = "arraybuffer";
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    this.opened = opened.promise;
    this.closed = closed.promise;
    opened.promise.catch(() => {});
    this.#socket.onopen = () => opened.resolve();
    this.#socket.onclose = (event) => {
      opened.reject(new Error(`the WebSocket was closed with ${event.code}`));
      closed.resolve(event.code);
    };
    this.#socket.onmessage = ({ data }) => this.#received(data);
  }

  static async start(daemon: Endpoint, ref: string, request: object): Promise<ExecSocketClient> {
    const client = new ExecSocketClient(daemon, ref);
    await client.opened;
    client.tell(request);
    return client;
  }

  tell(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  raw(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  stdin(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const frame = new Uint8Array(1 + bytes.length);
    frame.set(bytes, 1);
    this.#socket.send(frame);
  }

  close(): void {
    this.#socket.close();
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString("utf8");
  }

  get stdoutBytes(): number {
    return this.#stdout.reduce((sum, piece) => sum + piece.length, 0);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString("utf8");
  }

  /** The event of that type, once it has come. */
  async event<T extends ExecEvent["type"]>(type: T): Promise<Extract<ExecEvent, { type: T }>> {
    const find = () =>
      this.events.find((event): event is Extract<ExecEvent, { type: T }> => event.type === type);
    await until(`event ${type}`, () => find() !== undefined);
    const found = find();
    if (!found) throw new Error("unreachable");
    return found;
  }

  #received(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      this.events.push(JSON.parse(data) as ExecEvent);
      return;
    }
    const bytes = new Uint8Array(data);
    (bytes[0] === 2 ? this.#stderr : this.#stdout).push(bytes.subarray(1));
  }
}
