/**
 * A WebSocket client (RFC 6455) on a plain socket. The runtime's own can't be paused, so a slow reader of our output
 * would fill our memory, and it hides what a server answers when it refuses.
 */
import type { Socket } from "bun";
import type { Upgraded, UpgradeRequest, WebSocketChannel } from "../client/transport.ts";
import { encodeFrame, type Frame, FrameReader, Opcode } from "./web-socket-frame.ts";
import { type Handshake, handshake } from "./web-socket-handshake.ts";

/** Bytes that we keep for a slow reader before the socket is paused, and below which it goes on. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;

export async function connectWebSocket(
  address: string,
  { headers, silenceMs, signal }: UpgradeRequest,
): Promise<Upgraded> {
  const url = new URL(address);
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  const opening = handshake(url, headers);
  const channel = new Channel(opening, silenceMs, secure ? url.hostname : undefined);
  const onAbort = () => channel.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await Bun.connect({
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || (secure ? 443 : 80)),
      ...(secure && { tls: { serverName: url.hostname, rejectUnauthorized: true } }),
      socket: channel.handlers,
    });
    return { channel, headers: await channel.upgraded };
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

class Channel implements WebSocketChannel {
  readonly messages: AsyncIterable<string | Uint8Array>;
  readonly #handshake: Handshake;
  readonly #silence: ReturnType<typeof setInterval>;
  readonly #serverName: string | undefined;
  readonly #opened = Promise.withResolvers<Headers>();
  readonly #frames = new FrameReader();
  readonly #received: (string | Uint8Array)[] = [];
  #receivedBytes = 0;
  #socket: Socket | undefined;
  #isOpen = false;
  #isOver = false;
  #isPaused = false;
  #heardAt = performance.now();
  #wakeReader: (() => void) | undefined;
  #fragments: { opcode: number; pieces: Uint8Array[] } | undefined;
  readonly #unsent: Uint8Array[] = [];
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(opening: Handshake, silenceMs: number, serverName: string | undefined) {
    this.#handshake = opening;
    this.#silence = setInterval(() => this.#checkLife(silenceMs), silenceMs / 3);
    this.#silence.unref();
    this.#serverName = serverName;
    this.#opened.promise.catch(() => {}); // whoever waits for it sees it too
    this.messages = { [Symbol.asyncIterator]: () => this.#read() };
  }

  get upgraded(): Promise<Headers> {
    return this.#opened.promise;
  }

  get handlers() {
    return {
      open: (socket: Socket) => {
        this.#socket = socket;
        if (this.#isOver) socket.terminate();
        else if (this.#serverName === undefined) this.#begin();
      },
      handshake: (socket: Socket, _success: boolean, problem: Error | null) =>
        void this.#checkIdentity(socket, problem),
      data: (_socket: Socket, chunk: Uint8Array) => this.#receive(chunk),
      drain: () => this.#flush(),
      close: () => this.fail(new Error("the connection was closed")),
      end: () => this.fail(new Error("the connection was closed")),
      error: (_socket: Socket, error: Error) => this.fail(error),
      connectError: (_socket: Socket, error: Error) => this.fail(error),
    };
  }

  send(message: string | Uint8Array): Promise<void> {
    return typeof message === "string"
      ? this.#write(encodeFrame(Opcode.text, new TextEncoder().encode(message)))
      : this.#write(encodeFrame(Opcode.binary, message));
  }

  close(): void {
    if (this.#isOpen && !this.#isOver) {
      void this.#write(encodeFrame(Opcode.close, new Uint8Array([0x03, 0xe8])));
    }
    this.fail(new Error("closed"));
    this.#socket?.end();
    this.#socket?.unref(); // nothing that the peer still says matters to the process
  }

  /** Nobody waits for it any more. */
  abort(): void {
    this.fail(new Error("cancelled"));
    this.#socket?.terminate();
  }

  /** The connection is over; before the upgrade, `error` is why. */
  fail(error: Error): void {
    if (!this.#isOpen) this.#opened.reject(this.#handshake.end() ?? error);
    this.#isOver = true;
    clearInterval(this.#silence);
    this.#drained?.resolve();
    this.#wakeReader?.();
  }

  #begin(): void {
    void this.#write(new TextEncoder().encode(this.#handshake.request));
  }

  /** The runtime checks the certificate's chain; that it is this host's is checked here. */
  async #checkIdentity(socket: Socket, problem: Error | null): Promise<void> {
    const { checkServerIdentity } = await import("node:tls");
    const certificate = socket.getPeerCertificate();
    const wrong = problem ?? checkServerIdentity(this.#serverName ?? "", certificate);
    if (!wrong) return this.#begin();
    this.fail(wrong);
    socket.terminate();
  }

  /** What is not read is not heard either: then TCP must tell. */
  #checkLife(silenceMs: number): void {
    if (this.#isPaused) this.#heardAt = performance.now();
    else if (performance.now() - this.#heardAt > silenceMs) this.abort();
  }

  #receive(chunk: Uint8Array): void {
    this.#heardAt = performance.now();
    try {
      if (this.#isOpen) this.#receiveFrames(chunk);
      else this.#receiveAnswer(chunk);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      this.#socket?.terminate();
    }
  }

  #receiveAnswer(chunk: Uint8Array): void {
    const answer = this.#handshake.receive(chunk);
    if (!answer) return;
    this.#isOpen = true;
    this.#opened.resolve(answer.headers);
    if (answer.rest.length > 0) this.#receiveFrames(answer.rest);
  }

  #receiveFrames(chunk: Uint8Array): void {
    // The frames keep views of it beyond this call, after which the runtime may use it again.
    for (const frame of this.#frames.push(chunk.slice())) this.#receiveFrame(frame);
    if (this.#receivedBytes > highWater && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket?.pause();
    }
    this.#wakeReader?.();
  }

  #receiveFrame(frame: Frame): void {
    if (frame.opcode === Opcode.ping) void this.#write(encodeFrame(Opcode.pong, frame.payload));
    else if (frame.opcode === Opcode.close) this.close();
    else if (frame.opcode <= Opcode.binary) this.#receivePiece(frame);
  }

  #receivePiece(frame: Frame): void {
    const message = this.#fragments ?? { opcode: frame.opcode, pieces: [] };
    message.pieces.push(frame.payload);
    this.#fragments = frame.final ? undefined : message;
    if (!frame.final) return;
    const [only = frame.payload] = message.pieces;
    const bytes = message.pieces.length === 1 ? only : Buffer.concat(message.pieces);
    const received = message.opcode === Opcode.text ? new TextDecoder().decode(bytes) : bytes;
    this.#receivedBytes += received.length;
    this.#received.push(received);
  }

  async *#read(): AsyncGenerator<string | Uint8Array> {
    for (;;) {
      const message = this.#received.shift();
      if (message !== undefined) {
        this.#receivedBytes -= message.length;
        yield message;
      } else if (this.#isOver) return;
      else await this.#moreReceived();
      this.#resume();
    }
  }

  #moreReceived(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeReader = resolve;
    return promise;
  }

  #resume(): void {
    if (!this.#isPaused || this.#receivedBytes > lowWater) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  #write(bytes: Uint8Array): Promise<void> {
    this.#unsent.push(bytes);
    return this.#flush();
  }

  #flush(): Promise<void> {
    while (this.#unsent.length > 0 && !this.#isOver) {
      const [next = new Uint8Array()] = this.#unsent;
      const taken = Math.max(this.#socket?.write(next) ?? 0, 0);
      if (taken < next.length) {
        this.#unsent[0] = next.subarray(taken);
        this.#drained ??= Promise.withResolvers<void>();
        return this.#drained.promise;
      }
      this.#unsent.shift();
    }
    this.#drained?.resolve();
    this.#drained = undefined;
    return Promise.resolve();
  }
}
