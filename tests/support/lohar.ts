/** A real lohar on a Unix socket, in a temporary directory that is the commands' working directory. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { encodeMessage, type Frame, FrameDecoder, FrameType } from "../../src/agent/frame.ts";
import type { ExecRequest, ExecResult, Guest, GuestProcess } from "../../src/agent/guest.ts";
import { connectGuest } from "../../src/agent/lohar.ts";
import { MarkerHunt, newNonce, preamble } from "../../src/agent/sync.ts";
import { type Connection, connectUnix } from "../../src/host/socket.ts";

/** The one that is built into the binary. */
export const lohar = resolve(
  import.meta.dir,
  "../../guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar",
);

/** A deadline that only a hang meets. */
export function generous(): AbortSignal {
  return AbortSignal.timeout(120_000);
}

/** Reads until so many bytes have come, or the end. */
export async function read(process: GuestProcess, bytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const output = process[Symbol.asyncIterator]();
  while (length < bytes) {
    const next = await output.next();
    if (next.done) break;
    pieces.push(next.value.chunk.subarray(1));
    length += next.value.chunk.length - 1;
  }
  return Buffer.concat(pieces);
}

/** What is in a session's log, or that and what comes until it ends. */
export async function logOf(
  guest: Guest,
  session: string,
  options: { follow?: boolean; tail?: number } = {},
): Promise<Buffer> {
  const log = await guest.readLog({ session, ...options }, generous());
  return Buffer.concat(await Array.fromAsync(log));
}

export class RealLohar implements AsyncDisposable {
  /** Where commands run that do not say otherwise. */
  readonly directory: string;
  readonly root: string;
  readonly #child: Bun.Subprocess;
  readonly #guests: Guest[] = [];

  private constructor(root: string, child: Bun.Subprocess) {
    this.root = root;
    this.directory = join(root, "workspace");
    this.#child = child;
  }

  /** As a process among others, or in a container, which needs root. */
  static async start(where: "--cwd" | "--root" = "--cwd"): Promise<RealLohar> {
    if (!existsSync(lohar)) throw new Error(`There is no "${lohar}": make build`);
    const root = await mkdtemp(join(tmpdir(), "lohar-"));
    const directory = join(root, "workspace");
    await Bun.write(join(directory, ".keep"), "");
    const place = where === "--cwd" ? directory : root;
    const child = Bun.spawn([lohar, "--socket", join(root, "line"), where, place], {
      stdin: "ignore",
      stdout: Bun.file(join(root, "log")),
      stderr: Bun.file(join(root, "log")),
    });
    const started = new RealLohar(root, child);
    await started.#prepare();
    return started;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async connect(): Promise<Guest> {
    const guest = await connectGuest(join(this.root, "line"), {
      signal: generous(),
      timeoutMs: 60_000,
    });
    this.#guests.push(guest);
    return guest;
  }

  async connectRaw(): Promise<RawLine> {
    return new RawLine(
      await connectUnix(join(this.root, "line"), { signal: generous(), retry: true }),
    );
  }

  /** What a daemon does with a guest that has just booted. On a socket it changes nothing but lohar's own mind. */
  async #prepare(): Promise<void> {
    const guest = await this.connect();
    await guest.mountRoot({ device: "vda", grow: false }, generous());
    await guest.configure({}, generous());
    guest.close();
  }

  /** What lohar said on its own output so far. */
  log(): string {
    return readFileSync(join(this.root, "log"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const guest of this.#guests) guest.close();
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    for (const pid of processesIn(this.root)) killIfThere(pid);
    await rm(this.root, { recursive: true, force: true });
  }
}

/** The host's end of the line without any manners: raw bytes out, frames in. */
export class RawLine {
  readonly #connection: Connection;
  readonly #decoder = new FrameDecoder();
  #hunt: MarkerHunt | undefined;
  readonly #frames: Frame[] = [];
  readonly #waiting: ((frame: Frame) => void)[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onData((chunk) => this.#take(chunk));
  }

  send(...pieces: Uint8Array[]): void {
    for (const piece of pieces) void this.#connection.write(piece);
  }

  message(stream: number, type: number, message: unknown): void {
    this.send(encodeMessage(stream, type, message));
  }

  /** Greets, and waits for the hello that follows the answer. */
  async greet(): Promise<Frame> {
    const nonce = newNonce();
    this.#frames.length = 0;
    this.#hunt = new MarkerHunt(nonce);
    this.send(preamble(nonce));
    return await this.next(FrameType.hello);
  }

  /** The next frame of this type; others before it are dropped. */
  async next(type: number): Promise<Frame> {
    for (;;) {
      const frame =
        this.#frames.shift() ?? (await new Promise<Frame>((take) => this.#waiting.push(take)));
      if (frame.type === type) return frame;
    }
  }

  async nextMessage(type: number) {
    const { stream, payload } = await this.next(type);
    return { stream, ...JSON.parse(Buffer.from(payload).toString()) };
  }

  /** As a daemon that dies does: what was written still arrives. */
  async cut(): Promise<void> {
    while (this.#connection.buffered > 0) await Bun.sleep(1);
    this.#connection.close();
  }

  #take(chunk: Uint8Array): void {
    let rest = chunk;
    if (this.#hunt) {
      const end = this.#hunt.find(chunk);
      if (end === undefined) return;
      this.#hunt = undefined;
      this.#decoder.reset();
      rest = chunk.subarray(end);
    }
    this.#decoder.feed(rest, (frame) => {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(frame);
      else this.#frames.push(frame);
    });
  }
}

export interface Finished extends ExecResult {
  stdout: Buffer;
  stderr: Buffer;
}

/** Runs a command to its end. `stdin` is written and closed. */
export async function run(
  guest: Guest,
  command: string[] | string,
  options: Partial<ExecRequest> & { input?: Uint8Array } = {},
): Promise<Finished> {
  const { input, ...request } = options;
  const argv = typeof command === "string" ? ["sh", "-c", command] : command;
  const stdin = input !== undefined;
  const process = await guest.exec({ argv, stdin, timeoutMs: 120_000, ...request }, generous());
  if (input) {
    void process.write(input);
    process.closeStdin();
  }
  return await collect(process);
}

export async function collect(process: GuestProcess): Promise<Finished> {
  const pieces: { 1: Uint8Array[]; 2: Uint8Array[] } = { 1: [], 2: [] };
  for await (const { channel, chunk } of process) pieces[channel].push(chunk.subarray(1));
  const result = await process.result;
  return { ...result, stdout: Buffer.concat(pieces[1]), stderr: Buffer.concat(pieces[2]) };
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie that nobody has waited for yet has ended, too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits until it is so. The test's own time limit is the deadline. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(5);
}

function processesIn(directory: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 1 && workingDirectory(pid).startsWith(directory));
}

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}
