/** A process of a fake guest: bounded output, stdin with flow control, signals, a timeout, a program in TypeScript. */
import {
  Channel,
  type ExecOutput,
  type ExecRequest,
  type ExecResult,
  type GuestProcess,
  type TerminalSize,
} from "../../agent/guest.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { OutputQueue, StdinQueue } from "./fake-pipes.ts";
import { type FakeSurroundings, type ProgramContext, runProgram } from "./fake-programs.ts";

const signalNumbers: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  PIPE: 13,
  TERM: 15,
};

export class FakeProcess implements GuestProcess {
  readonly session: string;
  readonly pid: number;
  readonly log = "";
  readonly result: Promise<ExecResult>;
  /** Resolves when it has ended, whoever hears of it. */
  readonly over: Promise<void>;
  readonly #output = new OutputQueue();
  readonly #stdin = new StdinQueue();
  readonly #ended = new AbortController();
  readonly #settle: (result: ExecResult) => void;
  readonly #fail: (reason: Error) => void;
  readonly #tty: boolean;
  #size: TerminalSize | undefined;
  #trap: ((signal: string) => void) | undefined;
  #outcome: ExecResult | undefined;

  constructor(request: ExecRequest, number: number, surroundings: FakeSurroundings) {
    this.session = `sess-${(0x1000 + number).toString(16)}`;
    this.pid = 100 + number;
    this.#tty = request.tty !== undefined;
    this.#size = request.tty;
    const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
    this.result = promise;
    promise.catch(() => {}); // whoever wants to know asks; nobody has to
    this.#settle = resolve;
    this.#fail = reject;
    if (!request.stdin && !request.tty) this.#stdin.end();
    const timer = setTimeout(
      () => this.#finish({ exitCode: 137, reason: "timeout" }),
      request.timeoutMs,
    );
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.over = over;
    this.#ended.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      end();
    });
    void this.#run(request, surroundings);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ExecOutput> {
    yield* this.#output;
  }

  async write(data: Uint8Array): Promise<void> {
    if (this.#ended.signal.aborted) throw new BhattiError("guest_failed", "stdin is closed");
    await this.#stdin.put(data);
  }

  closeStdin(): void {
    this.#stdin.end();
  }

  resize(size: TerminalSize): void {
    this.#size = size;
  }

  signal(name: string): void {
    const bare = name.replace(/^SIG/, "");
    const number = signalNumbers[bare];
    if (number === undefined) return;
    if (this.#trap && bare !== "KILL") {
      this.#trap(bare);
      return;
    }
    this.#finish({ exitCode: 128 + number, reason: "signal", signal: `SIG${bare}` });
  }

  release(): void {
    this.#stdin.end();
    this.#output.discard();
    this.#settle(this.#outcome ?? { exitCode: -1, reason: "lost" });
  }

  lose(reason: Error): void {
    this.#ended.abort();
    this.cut(reason);
  }

  /** Whoever started it is told that it is lost; it runs on, until it has something to say. */
  cut(reason: Error): void {
    this.#output.fail(reason);
    this.#stdin.end();
    this.#fail(reason);
  }

  async #run(request: ExecRequest, surroundings: FakeSurroundings): Promise<void> {
    const context: ProgramContext = {
      ...surroundings,
      cwd: request.cwd ?? "/workspace",
      stdin: this.#stdin,
      tty: this.#tty,
      size: () => this.#size,
      ended: this.#ended.signal,
      trap: (handler) => {
        this.#trap = handler;
      },
      write: async (channel, data) => {
        await this.#output.put(this.#tty ? Channel.stdout : channel, data);
        surroundings.wrote(data.length);
      },
    };
    try {
      await Promise.resolve(); // the guest must know of it before it does anything
      const exitCode = await runProgram(request.argv, context);
      this.#finish({ exitCode, reason: "exited" });
    } catch {
      // It was ended in the middle; what ended it has told the outcome.
      this.#ended.abort();
    }
  }

  #finish(result: ExecResult): void {
    if (this.#outcome) return;
    this.#outcome = result;
    this.#ended.abort();
    this.#stdin.end();
    void this.#output.end().then(() => this.#settle(result));
  }
}
