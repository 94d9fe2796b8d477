/**
 * A guest for the model's random operations, which need one whose every step happens in the event loop's turns, so that a
 * seed repeats what happened. It knows two programs; `stub-guest.test.ts` holds it to the real agent.
 */
import type { ExecRequest, ExecResult, Guest, GuestProcess } from "../../src/agent/guest.ts";
import type { MachineEnd } from "../../src/engine/engine.ts";
import type { FakeGuest } from "../../src/engine/fake/fake-guest.ts";
import { BhattiError } from "../../src/errors/bhatti-error.ts";

const memory = "/dev/shm/";
const writeScript = 'printf %s "$1" > "$0"';

export const programs = {
  write: (path: string, text: string) => ["sh", "-c", writeScript, path, text],
  read: (path: string) => ["cat", path],
  remember: (key: string, text: string) => ["sh", "-c", writeScript, memory + key, text],
  recall: (key: string) => ["cat", memory + key],
};

export class StubGuest implements FakeGuest {
  onEnd: (end: MachineEnd) => void = () => {};
  readonly #files = new Map<string, string>();
  readonly #running = new Set<StubProcess>();

  async configure(): Promise<void> {}

  async connect(): Promise<Guest> {
    const agent: Pick<Guest, "ping" | "activity" | "processes" | "exec"> = {
      async ping() {},
      activity: async () => ({
        ...{ cpuMicroseconds: 0, networkBytes: 0, commands: this.#running.size },
        ...{ terminals: 0, attached: this.#running.size },
      }),
      processes: async () => [],
      exec: async (request) => this.#run(request),
    };
    return agent as Guest;
  }

  disconnect(): void {
    for (const process of this.#running) process.lose();
  }

  async shutdown(): Promise<void> {
    this.kill();
    this.onEnd({ reason: "powered_off", detail: "the guest shut down" });
  }

  kill(): void {
    this.disconnect();
    for (const key of Object.keys(this.memory)) this.#files.delete(memory + key);
  }

  async copyTo(other: FakeGuest, withMemory: boolean): Promise<void> {
    if (!(other instanceof StubGuest)) throw new Error("The other guest is no stub");
    for (const [path, text] of this.#files) {
      if (withMemory || !path.startsWith(memory)) other.#files.set(path, text);
    }
  }

  async remove(): Promise<void> {
    this.kill();
  }

  /** By path. */
  get files(): Record<string, string> {
    return Object.fromEntries([...this.#files].filter(([path]) => !path.startsWith(memory)));
  }

  /** By key. */
  get memory(): Record<string, string> {
    const all = [...this.#files].filter(([path]) => path.startsWith(memory));
    return Object.fromEntries(all.map(([path, text]) => [path.slice(memory.length), text]));
  }

  #run({ argv }: ExecRequest): GuestProcess {
    const process = new StubProcess(this.#output(argv));
    this.#running.add(process);
    const forget = () => this.#running.delete(process);
    process.result.then(forget, forget);
    return process;
  }

  /** Undefined when it fails. */
  #output([program, ...args]: string[]): string | undefined {
    if (program === "cat") return this.#files.get(args[0] ?? "");
    const [, script, path = "", text = ""] = args;
    if (program !== "sh" || script !== writeScript) throw new Error(`The stub has no ${program}`);
    this.#files.set(path, text);
    return "";
  }
}

/** It has ended already; its output waits to be read. */
class StubProcess implements GuestProcess {
  readonly session = "sess-0000";
  readonly pid = 1;
  readonly log = "";
  readonly result: Promise<ExecResult>;
  readonly #result = Promise.withResolvers<ExecResult>();
  readonly #output: string | undefined;
  #lost: Error | undefined;

  constructor(output: string | undefined) {
    this.#output = output;
    this.result = this.#result.promise;
    this.result.catch(() => {}); // not everyone asks for it
  }

  async *[Symbol.asyncIterator]() {
    if (this.#lost) throw this.#lost;
    if (this.#output) yield { channel: 1 as const, chunk: Buffer.from(`\x01${this.#output}`) };
    if (this.#lost) throw this.#lost;
    this.#result.resolve({ exitCode: this.#output === undefined ? 1 : 0, reason: "exited" });
  }

  lose(): void {
    this.#lost = new BhattiError("machine_lost", "Lost the connection to the guest");
    this.#result.reject(this.#lost);
  }

  release(): void {
    this.#result.resolve({ exitCode: -1, reason: "lost" });
  }

  async write(): Promise<void> {}
  closeStdin(): void {}
  resize(): void {}
  signal(): void {}
}
