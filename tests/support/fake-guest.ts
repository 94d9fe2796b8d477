/** The guest's end of the line in the hands of a test: it greets like lohar, everything else the test says itself. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameDecoder,
  FrameType,
  maxFrameBytes,
} from "../../src/agent/frame.ts";
import type { ExecRequest, Guest, GuestProcess } from "../../src/agent/guest.ts";
import { connectGuest } from "../../src/agent/lohar.ts";
import { MessageAssembly } from "../../src/agent/message-assembly.ts";
import { markerBytes } from "../../src/agent/sync.ts";
import { type Connection, listenUnix } from "../../src/host/socket.ts";

export const fakeHello = {
  protocol: 1,
  version: "0.0.0-fake",
  boot_id: "00000000-0000-4000-8000-000000000001",
  stage: "configured",
  processes: [],
};

const greetingBytes = maxFrameBytes + markerBytes;

/** What a fake guest does with the n-th greeting (from 1); by default it answers each. */
export type OnGreeting = (guest: FakeGuest, marker: Uint8Array, count: number) => void;

export class FakeGuest implements AsyncDisposable {
  readonly path: string;
  readonly #dispose: () => Promise<void>;
  readonly #onGreeting: OnGreeting;
  readonly #decoder = new FrameDecoder();
  readonly #assembly = new MessageAssembly();
  readonly #frames: Frame[] = [];
  readonly #waiting: ((frame: Frame) => void)[] = [];
  #connection: Connection | undefined;
  #greeting = Buffer.alloc(0);
  #greetings = 0;
  #greets = true;

  private constructor(path: string, onGreeting: OnGreeting, dispose: () => Promise<void>) {
    this.path = path;
    this.#onGreeting = onGreeting;
    this.#dispose = dispose;
  }

  static async start(onGreeting: OnGreeting = (guest, marker) => guest.answer(marker)) {
    const directory = await mkdtemp(join(tmpdir(), "fake-guest-"));
    const path = join(directory, "line");
    const listener = await listenUnix(path, (connection) => guest.#accept(connection));
    const guest = new FakeGuest(path, onGreeting, async () => {
      await listener.close();
      await rm(directory, { recursive: true });
    });
    return guest;
  }

  /** Answers a greeting. */
  answer(marker: Uint8Array, hello: object = fakeHello): void {
    this.send(marker);
    this.message(0, FrameType.hello, hello);
  }

  send(bytes: Uint8Array): void {
    void this.#connection?.write(bytes);
  }

  /** Resolves when the host has taken most of it; rejects when it has hung up. */
  async sendWhenRoom(bytes: Uint8Array): Promise<void> {
    await this.#connection?.write(bytes);
  }

  message(stream: number, type: number, message: unknown): void {
    this.send(encodeMessage(stream, type, message));
  }

  frame(stream: number, type: number, payload: Uint8Array | number[] = []): void {
    this.send(encodeFrame(stream, type, Uint8Array.from(payload)));
  }

  output(stream: number, channel: number, data: Uint8Array | string): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.frame(stream, FrameType.data, Buffer.concat([Uint8Array.of(channel), bytes]));
  }

  /** The next frame that the host sent, a message as a whole. */
  next(): Promise<Frame> {
    const frame = this.#frames.shift();
    if (frame) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next frame, which must be a message of this type. */
  async nextMessage(type: number) {
    const frame = await this.next();
    if (frame.type !== type) throw new Error(`Expected a frame of type ${type}, got ${frame.type}`);
    return { stream: frame.stream, ...JSON.parse(Buffer.from(frame.payload).toString()) };
  }

  get unread(): number {
    return this.#frames.length;
  }

  cut(): void {
    this.#connection?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }

  #accept(connection: Connection): void {
    this.#connection = connection;
    this.#decoder.reset();
    this.#greeting = Buffer.alloc(0);
    this.#greets = true;
    connection.onData((chunk) => this.#take(chunk));
  }

  /** Greetings come before all frames and start with four zeros, which no frame with a payload does. */
  #take(chunk: Uint8Array): void {
    let rest = chunk;
    while (this.#greets && rest.length > 0 && (this.#greeting.length > 0 || isZero(rest))) {
      const taken = Math.min(rest.length, greetingBytes - this.#greeting.length);
      this.#greeting = Buffer.concat([this.#greeting, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      if (this.#greeting.length < greetingBytes) return;
      const marker = this.#greeting.subarray(-markerBytes);
      this.#greeting = Buffer.alloc(0);
      this.#onGreeting(this, marker, ++this.#greetings);
    }
    if (rest.length > 0) this.#greets = false;
    this.#decoder.feed(rest, (frame) => {
      const payload = this.#assembly.add(frame);
      if (payload) this.#deliver({ ...frame, payload });
    });
  }

  #deliver(frame: Frame): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(frame);
    else this.#frames.push(frame);
  }
}

function isZero(start: Uint8Array): boolean {
  return start.subarray(0, 4).every((byte) => byte === 0);
}

/** A host that is connected to a fake guest. Both end with the scope. */
export async function withFakeGuest(
  test: (guest: FakeGuest, host: Guest) => Promise<void>,
): Promise<void> {
  await using guest = await FakeGuest.start();
  const host = await connectGuest(guest.path, { signal: generous(), timeoutMs: 60_000 });
  try {
    await test(guest, host);
  } finally {
    host.close();
  }
}

/** A deadline that only a hang meets. */
export function generous(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

/** Starts a process on both sides and gives its stream's number with it. */
export async function startOn(
  guest: FakeGuest,
  host: Guest,
  request: Partial<ExecRequest> = {},
  signal: AbortSignal = generous(),
): Promise<{ stream: number; process: GuestProcess }> {
  const command = { argv: ["cat"], stdin: true, timeoutMs: 60_000, ...request };
  const starting = host.exec(command, signal);
  const { stream } = await guest.nextMessage(FrameType.open);
  guest.message(stream, FrameType.opened, { session: "s1", pid: 7 });
  return { stream, process: await starting };
}

/** A request and its reply: all that the guest sent before has been handled afterwards. */
export async function roundTrip(guest: FakeGuest, host: Guest): Promise<void> {
  const ping = host.ping(generous());
  const { id } = await guest.nextMessage(FrameType.request);
  guest.message(0, FrameType.reply, { id, result: {} });
  await ping;
}
