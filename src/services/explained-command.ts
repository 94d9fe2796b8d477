/** A command whose errors are told in better words than the line to its guest has for them. */
import type { ExecOutput, ExecResult, GuestProcess, TerminalSize } from "../agent/guest.ts";
import type { RunningCommand } from "./exec.ts";

export class ExplainedCommand implements RunningCommand {
  readonly result: Promise<ExecResult>;
  readonly warning: string | undefined;
  readonly #process: GuestProcess;
  readonly #fail: (error: unknown) => Promise<never>;

  /** `explain` gives the error to tell instead. */
  constructor(
    process: GuestProcess,
    explain: (error: unknown) => Promise<unknown>,
    warning?: string,
  ) {
    this.#process = process;
    this.warning = warning;
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
