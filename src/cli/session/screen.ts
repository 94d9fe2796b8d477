/** Our side of a session's screen: its output, our own words between it, and the terminal as it was in the end. */
import type { Context } from "../context.ts";
import { TerminalModes } from "./terminal-modes.ts";

const newline = 0x0a;

export class Screen {
  readonly #context: Context;
  readonly #modes = new TerminalModes();
  #raw: Disposable | undefined;
  #isAtLineStart = true;

  constructor(context: Context) {
    this.#context = context;
  }

  /** From now on keys instead of lines, and output as the session writes it. */
  enter(): void {
    this.#raw ??= this.#context.system.terminal.raw();
  }

  /** Notes output that another writer prints. */
  note(output: Uint8Array): void {
    if (this.#raw) this.#modes.follow(output);
    this.#isAtLineStart = output.at(-1) === newline;
  }

  async write(output: Uint8Array): Promise<void> {
    if (output.length === 0) return;
    this.note(output);
    await this.#context.system.stdout.write(output);
  }

  /** A line of our own, on a line of its own. */
  async say(line: string): Promise<void> {
    const before = this.#raw && !this.#isAtLineStart ? "\r\n" : "";
    this.#isAtLineStart = true;
    await this.#context.remark(`${before}${line}${this.#raw ? "\r" : ""}`);
  }

  /** What programs have left on is off again. */
  async undoModes(): Promise<void> {
    const undo = this.#modes.undo();
    if (undo) await this.write(new TextEncoder().encode(undo));
  }

  /** The terminal is a person's again; `midway`: what is said next must not stand behind some output. */
  async leave(midway: boolean): Promise<void> {
    if (!this.#raw) return;
    try {
      const undo = this.#modes.undo();
      const separate = midway && !this.#isAtLineStart ? "\r\n" : "";
      await this.#context.system.stdout.write(undo + separate);
    } catch {
      // The output is closed; the terminal's modes are restored all the same.
    } finally {
      this.restore();
    }
  }

  /** Lines instead of keys again, at once. */
  restore(): void {
    this.#raw?.[Symbol.dispose]();
    this.#raw = undefined;
  }
}
