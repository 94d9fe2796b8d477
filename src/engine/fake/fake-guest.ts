/** What the fake engine's guests answer: an identity, files in a map, and scripted processes. */
import type {
  ExecRequest,
  Guest,
  GuestActivity,
  GuestConfiguration,
  GuestFile,
  GuestHello,
  GuestProcess,
  GuestStats,
  SizedContent,
} from "../../agent/guest.ts";
import type { GuestFiles } from "../../agent/guest-files.ts";
import type {
  AttachedSession,
  AttachRequest,
  GuestProcessInfo,
  LogRequest,
  ReadLog,
} from "../../agent/guest-sessions.ts";
import { abortable, reasonOf } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineEnd } from "../engine.ts";
import { FakeFiles } from "./fake-files.ts";
import { FakeProcess } from "./fake-process.ts";
import type { FakeFile, FakeSurroundings } from "./fake-programs.ts";
import { FakeSessions } from "./fake-sessions.ts";

export class FakeGuest implements Guest {
  /** By path. */
  readonly tree = new Map<string, FakeFile>();
  /** What programs have put into memory. */
  readonly memory = new Map<string, string>();
  readonly closed: Promise<Error>;
  /** What `configure` said last. */
  identity: GuestConfiguration = {};
  /** Every init script that was started. */
  readonly inits: string[] = [];
  /** What all programs together have written. */
  outputBytes = 0;
  /** What `activity` tells, and a test sets: nothing is really used here. */
  cpuMicroseconds = 0;
  networkBytes = 0;
  /** Its agent answers nothing. */
  isDeaf = false;
  /** Commands that were let go, which a fake loses sight of: they count as running until a test takes them away. */
  readonly letGo = { commands: 0 };
  readonly #sessions = new FakeSessions(this.tree);
  readonly #files = new FakeFiles({
    tree: this.tree,
    check: (signal) => this.#check(signal),
    wrote: (bytes) => {
      this.outputBytes += bytes;
    },
  });
  readonly #end: (end: MachineEnd) => void;
  readonly #close: (reason: Error) => void;
  readonly #processes = new Set<FakeProcess>();
  /** Those that run on although their stream was cut. */
  readonly #detached = new Set<FakeProcess>();
  /** Resolves when its processors run. */
  #runs = Promise.withResolvers<void>();
  readonly #bootId = crypto.randomUUID();
  #lost: Error | undefined;
  #configured = false;
  #started = 0;

  constructor(end: (end: MachineEnd) => void) {
    this.#end = end;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.closed = promise;
    this.#close = resolve;
    this.#runs.resolve();
  }

  get hello(): GuestHello {
    const stage = this.#configured ? "configured" : "mounted";
    return { version: "fake", bootId: this.#bootId, stage, processes: this.#told };
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async configure(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await this.#check(signal);
    this.identity = { ...this.identity, ...configuration };
    const { init } = configuration;
    if (init !== undefined) {
      this.inits.push(init);
      this.#sessions.init(init, this.#surroundings());
    }
    this.#configured = true;
  }

  async mountRoot(_options: { device: string; grow: boolean }, signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async freeze(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async thaw(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async sync(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async shutdown(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
    this.#end({ reason: "powered_off", detail: "the guest shut down" });
  }

  async timerLateness(signal: AbortSignal): Promise<number> {
    await this.#check(signal);
    return 1;
  }

  async stats(signal: AbortSignal): Promise<GuestStats> {
    await this.#check(signal);
    const megabyte = 1_048_576;
    return {
      diskTotal: 1024 * megabyte,
      diskUsed: 100 * megabyte,
      memoryTotal: 512 * megabyte,
      memoryAvailable: 400 * megabyte,
    };
  }

  async activity(signal: AbortSignal): Promise<GuestActivity> {
    await this.#check(signal);
    const kinds = this.#sessions.list.filter((one) => one.running).map(({ kind }) => kind);
    const plain = this.#processes.size + this.#detached.size + this.letGo.commands;
    const commands = plain + kinds.filter((kind) => kind === "detached").length;
    const terminals = kinds.filter((kind) => kind === "terminal" || kind === "piped").length;
    const attached = this.#told.filter((one) => one.attached).length;
    const { cpuMicroseconds, networkBytes } = this;
    return { cpuMicroseconds, networkBytes, commands, terminals, attached };
  }

  async exec(request: ExecRequest, signal: AbortSignal): Promise<GuestProcess> {
    await this.#check(signal);
    this.#started += 1;
    const surroundings = this.#surroundings(request.env);
    if (request.tty || request.session) {
      return letGoBy(this.#sessions.start(request, this.#started, surroundings), signal);
    }
    const process = new FakeProcess(request, this.#started, surroundings);
    this.#processes.add(process);
    const forget = () => this.#processes.delete(process);
    process.result.then(({ reason }) => {
      forget();
      if (reason === "lost") this.letGo.commands += 1;
    }, forget);
    return process;
  }

  async processes(signal: AbortSignal): Promise<GuestProcessInfo[]> {
    await this.#check(signal);
    return this.#told;
  }

  async kill(session: string, name: string, signal: AbortSignal): Promise<void> {
    await this.#check(signal);
    this.#sessions.kill(session, name);
  }

  async attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedSession> {
    await this.#check(signal);
    return letGoBy(this.#sessions.attach(request), signal);
  }

  async readLog(request: LogRequest, signal: AbortSignal): Promise<ReadLog> {
    await this.#check(signal);
    return this.#sessions.readLog(request);
  }

  get files(): GuestFiles {
    return this.#files;
  }

  async writeFile(
    file: GuestFile,
    content: Uint8Array | SizedContent,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#check(signal);
    if (file.path.endsWith("/")) {
      throw new BhattiError("bad_request", `${file.path} is a directory`);
    }
    await this.#files.write(file, await bytesOf(content, signal));
  }

  close(): void {}

  /** Its processors stand still: until they run, whoever asks it something waits. */
  pause(): void {
    this.#runs = Promise.withResolvers<void>();
  }

  run(): void {
    this.#runs.resolve();
  }

  /** Its line is gone: processes are lost to who started them, and run on. */
  detach(reason: Error): void {
    this.#sessions.cut(reason);
    for (const process of this.#processes) {
      this.#detached.add(process);
      void process.over.then(() => this.#detached.delete(process));
      process.cut(reason);
    }
  }

  /** The machine under it has ended. */
  lose(reason: Error): void {
    if (this.#lost) return;
    this.#lost = reason;
    this.#sessions.lose(reason);
    for (const process of [...this.#processes, ...this.#detached]) process.lose(reason);
    this.#files.lose(reason);
    this.#close(reason);
  }

  get #told(): GuestProcessInfo[] {
    return [...[...this.#processes].map(({ info }) => info), ...this.#sessions.list];
  }

  #surroundings(env?: Record<string, string>): FakeSurroundings {
    return {
      env: { ...this.identity.env, ...env },
      hostname: this.identity.hostname ?? "localhost",
      files: this.tree,
      memory: this.memory,
      wrote: (bytes) => {
        this.outputBytes += bytes;
      },
      end: this.#end,
    };
  }

  async #check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await abortable(Promise.race([this.#runs.promise, this.closed]), signal);
    if (this.#lost) throw this.#lost;
    if (this.isDeaf) throw new BhattiError("guest_unresponsive", "The guest does not answer");
  }
}

/** As the guest does when whoever waits for a stream gives it up. */
function letGoBy<T extends GuestProcess & { cut(reason: Error): void }>(
  process: T,
  signal: AbortSignal,
): T {
  const cut = () => process.cut(reasonOf(signal));
  signal.addEventListener("abort", cut, { once: true });
  void process.result.then(
    () => signal.removeEventListener("abort", cut),
    () => {},
  );
  return process;
}

async function bytesOf(
  content: Uint8Array | SizedContent,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content.slice();
  const pieces: Uint8Array[] = [];
  for await (const piece of content) {
    signal.throwIfAborted();
    pieces.push(piece.slice());
  }
  return Buffer.concat(pieces);
}
