/** A TCP connection to the daemon without HTTP's manners: raw paths, and readers that stall. */
import type { Socket } from "bun";

export class RawConnection implements Disposable {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #received: { text: string; bytes: number };

  private constructor(
    socket: Socket,
    received: { text: string; bytes: number },
    closed: Promise<void>,
  ) {
    this.#socket = socket;
    this.#received = received;
    this.closed = closed;
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const received = { text: "", bytes: 0 };
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        data(_socket, data) {
          received.bytes += data.length;
          if (received.text.length < 10_000) received.text += data.toString();
        },
        close: () => closed.resolve(),
      },
    });
    return new RawConnection(socket, received, closed.promise);
  }

  get text(): string {
    return this.#received.text;
  }

  get bytes(): number {
    return this.#received.bytes;
  }

  send(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  /** Reads nothing more. */
  stall(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  [Symbol.dispose](): void {
    this.#socket.end();
  }
}

/** A WebSocket text frame as a client sends it, of at most 125 bytes, which need not be UTF-8. */
export function textFrame(text: string | Uint8Array): Uint8Array {
  const payload = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const mask = [1, 2, 3, 4];
  return Uint8Array.of(
    0x81,
    0x80 | payload.length,
    ...mask,
    ...payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)),
  );
}
