/** A process as its user sees it: what it is, and errors in better words than the line to its guest has for them. */
import type { ExecOutput, ExecResult, GuestProcess, TerminalSize } from "../agent/guest.ts";

export type { ExecOutput, ExecResult };

export interface CommandFacts {
  /** What its user should know about how its sandbox came to run for it. */
  readonly warning: string | undefined;
  readonly tty: boolean;
  /** It was there before. */
  readonly reattached: boolean;
  /** The offset of the first byte sent, counted from the start of its output. */
  readonly offset: number;
  /** Sets a fresh terminal to the modes that the output expects. */
  readonly prelude: string;
}

/** Must be consumed to its end or released; a released session keeps running. */
export interface RunningCommand extends GuestProcess, CommandFacts {}

/** `explain` returns the error to report instead. */
export function runningCommand(
  process: GuestProcess,
  facts: CommandFacts,
  explain: (error: unknown) => Promise<unknown>,
): RunningCommand {
  return new ExplainedCommand(process, facts, explain);
}

class ExplainedCommand implements RunningCommand {
  readonly result: Promise<ExecResult>;
  readonly warning: string | undefined;
  readonly tty: boolean;
  readonly reattached: boolean;
  readonly offset: number;
  readonly prelude: string;
  readonly #process: GuestProcess;
  readonly #fail: (error: unknown) => Promise<never>;

  constructor(
    process: GuestProcess,
    facts: CommandFacts,
    explain: (error: unknown) => Promise<unknown>,
  ) {
    this.#process = process;
    this.warning = facts.warning;
    this.tty = facts.tty;
    this.reattached = facts.reattached;
    this.offset = facts.offset;
    this.prelude = facts.prelude;
    this.#fail = async (error) => {
      throw await explain(error);
    };
    this.result = process.result.catch(this.#fail);
    this.result.catch(() => {}); // not everyone asks for it
  }

  get session(): string {
    return this.#process.session;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get log(): string {
    return this.#process.log;
  }

  get outputFile(): string | undefined {
    return this.#process.outputFile;
  }

  get notExecuted(): GuestProcess["notExecuted"] {
    return this.#process.notExecuted;
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecOutput> {
    const output = this.#process[Symbol.asyncIterator]();
    return {
      next: () => output.next().catch(this.#fail),
      return: async () => (await output.return?.()) ?? { done: true, value: undefined },
    };
  }

  write(data: Uint8Array): Promise<void> {
    return this.#process.write(data);
  }

  closeStdin(): void {
    this.#process.closeStdin();
  }

  resize(size: TerminalSize): void {
    this.#process.resize(size);
  }

  signal(name: string): void {
    this.#process.signal(name);
  }

  release(): void {
    this.#process.release();
  }
}
