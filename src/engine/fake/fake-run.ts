/** A program of a fake guest that runs, whoever listens to it: its input, its signals, its timeout and its outcome. */
import type { ExecRequest, ExecResult, TerminalSize } from "../../agent/guest.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { StdinQueue } from "./fake-pipes.ts";
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

export interface FakeListener {
  write: ProgramContext["write"];
  /** Called once, unless its machine ends first. */
  finished(result: ExecResult): void;
}

export class FakeRun {
  /** Resolves when it has ended, whoever hears of it. */
  readonly over: Promise<void>;
  readonly stdin = new StdinQueue();
  outcome: ExecResult | undefined;
  readonly #listener: FakeListener;
  readonly #ended = new AbortController();
  readonly #tty: boolean;
  #size: TerminalSize | undefined;
  #trap: ((signal: string) => void) | undefined;

  constructor(request: ExecRequest, surroundings: FakeSurroundings, listener: FakeListener) {
    this.#listener = listener;
    this.#tty = request.tty !== undefined;
    this.#size = request.tty;
    if (!request.stdin && !request.tty) this.stdin.end();
    const timeout = () => this.#finish({ exitCode: 137, reason: "timeout" });
    const timer = request.timeoutMs > 0 ? setTimeout(timeout, request.timeoutMs) : undefined;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.over = over;
    this.#ended.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      end();
    });
    void this.#run(request, surroundings);
  }

  get size(): TerminalSize | undefined {
    return this.#size;
  }

  get isOver(): boolean {
    return this.#ended.signal.aborted;
  }

  async write(data: Uint8Array): Promise<void> {
    if (this.isOver) throw new BhattiError("guest_failed", "stdin is closed");
    await this.stdin.put(data);
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

  /** Ends it with nobody to hear of an outcome. */
  end(): void {
    this.#ended.abort();
    this.stdin.end();
  }

  async #run(request: ExecRequest, surroundings: FakeSurroundings): Promise<void> {
    const context: ProgramContext = {
      ...surroundings,
      cwd: request.cwd ?? "/workspace",
      user: request.user ?? "lohar",
      stdin: this.stdin,
      tty: this.#tty,
      size: () => this.#size,
      ended: this.#ended.signal,
      trap: (handler) => {
        this.#trap = handler;
      },
      write: async (channel, data) => {
        await this.#listener.write(channel, data);
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
    if (this.outcome) return;
    this.outcome = result;
    this.end();
    this.#listener.finished(result);
  }
}
