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
import type { GuestBytes, GuestFiles } from "../../agent/guest-files.ts";
import type {
  AttachedSession,
  AttachRequest,
  GuestProcessInfo,
  LogRequest,
} from "../../agent/guest-sessions.ts";
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineEnd } from "../engine.ts";
import { FakeProcess } from "./fake-process.ts";
import type { FakeFile } from "./fake-programs.ts";

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
  /** Processes that were let go, which a fake loses sight of: they count as running until a test takes them away. */
  readonly letGo = { commands: 0, terminals: 0 };
  readonly #end: (end: MachineEnd) => void;
  readonly #close: (reason: Error) => void;
  readonly #processes = new Map<FakeProcess, "commands" | "terminals">();
  /** Those that run on although their stream was cut. */
  readonly #detached = new Map<FakeProcess, "commands" | "terminals">();
  /** Resolves when its processors run. */
  #runs = Promise.withResolvers<void>();
  readonly #bootId = crypto.randomUUID();
  #lost: Error | undefined;
  #configured = false;
  #sessions = 0;

  constructor(end: (end: MachineEnd) => void) {
    this.#end = end;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.closed = promise;
    this.#close = resolve;
    this.#runs.resolve();
  }

  get hello(): GuestHello {
    const stage = this.#configured ? "configured" : "mounted";
    return { version: "fake", bootId: this.#bootId, stage, processes: [] };
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#check(signal);
  }

  async configure(configuration: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await this.#check(signal);
    this.identity = { ...this.identity, ...configuration };
    if (configuration.init !== undefined) this.inits.push(configuration.init);
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
    const running = { ...this.letGo };
    const processes = [...this.#processes.values(), ...this.#detached.values()];
    for (const kind of processes) running[kind] += 1;
    const { cpuMicroseconds, networkBytes } = this;
    return { cpuMicroseconds, networkBytes, ...running, attached: this.#processes.size };
  }

  async exec(request: ExecRequest, signal: AbortSignal): Promise<GuestProcess> {
    await this.#check(signal);
    this.#sessions += 1;
    const process = new FakeProcess(request, this.#sessions, {
      env: { ...this.identity.env, ...request.env },
      hostname: this.identity.hostname ?? "localhost",
      files: this.tree,
      memory: this.memory,
      wrote: (bytes) => {
        this.outputBytes += bytes;
      },
      end: this.#end,
    });
    const kind = request.tty ? "terminals" : "commands";
    this.#processes.set(process, kind);
    const forget = () => this.#processes.delete(process);
    process.result.then(({ reason }) => {
      forget();
      if (reason === "lost") this.letGo[kind] += 1;
    }, forget);
    return process;
  }

  processes(_signal: AbortSignal): Promise<GuestProcessInfo[]> {
    return notYet("processes");
  }

  kill(_session: string, _name: string, _signal: AbortSignal): Promise<void> {
    return notYet("kill");
  }

  attach(_request: AttachRequest, _signal: AbortSignal): Promise<AttachedSession> {
    return notYet("attach");
  }

  readLog(_request: LogRequest, _signal: AbortSignal): Promise<GuestBytes> {
    return notYet("log");
  }

  get files(): GuestFiles {
    throw new BhattiError("internal", "not built yet: files");
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
    this.tree.set(file.path, { mode: file.mode, user: file.user, content: await bytesOf(content) });
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
    for (const [process, kind] of this.#processes) {
      this.#detached.set(process, kind);
      void process.over.then(() => this.#detached.delete(process));
      process.cut(reason);
    }
  }

  /** The machine under it has ended. */
  lose(reason: Error): void {
    if (this.#lost) return;
    this.#lost = reason;
    for (const process of this.#processes.keys()) process.lose(reason);
    for (const process of this.#detached.keys()) process.lose(reason);
    this.#close(reason);
  }

  async #check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await abortable(Promise.race([this.#runs.promise, this.closed]), signal);
    if (this.#lost) throw this.#lost;
    if (this.isDeaf) throw new BhattiError("guest_unresponsive", "The guest does not answer");
  }
}

function notYet(what: string): Promise<never> {
  return Promise.reject(new BhattiError("internal", `not built yet: ${what}`));
}

async function bytesOf(content: Uint8Array | SizedContent): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content.slice();
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}
