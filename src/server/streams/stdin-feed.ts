/** Stdin on its way from a socket that cannot be paused to a guest that can: bounded by credit. */
import { stdinWindowBytes } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RunningCommand } from "../../services/running-command.ts";

export class StdinFeed {
  readonly #grant: (bytes: number) => void;
  readonly #window: number;
  #queue: Uint8Array[] = [];
  #credit: number;
  /** Taken by the guest, and not yet given back as credit. */
  #taken = 0;
  #refusal: string | undefined;
  #ended = false;
  #stopped = false;
  #wake: (() => void) | undefined;

  /** `grant` tells the client that it may send so many bytes more than its `window`. */
  constructor(grant: (bytes: number) => void, window = stdinWindowBytes) {
    this.#grant = grant;
    this.#window = window;
    this.#credit = window;
  }

  /** The command has no stdin; `why` goes on from "stdin:". */
  refuse(why: string): void {
    this.#refusal = why;
  }

  take(bytes: Uint8Array): void {
    if (this.#refusal !== undefined)
      throw new BhattiError("bad_request", `stdin: ${this.#refusal}`);
    if (this.#ended) throw new BhattiError("bad_request", "stdin: is already closed");
    this.#credit -= bytes.length;
    if (this.#credit < 0) {
      throw new BhattiError(
        "bad_request",
        `stdin: must stay within the credit, initially ${this.#window} bytes (exceeded by ${-this.#credit})`,
      );
    }
    if (bytes.length > 0) this.#queue.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The command or the client is gone. */
  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#wake?.();
  }

  feed(command: RunningCommand): void {
    void this.#pump(command);
  }

  async #pump(command: RunningCommand): Promise<void> {
    let open = true;
    while (!this.#stopped) {
      const next = this.#queue.shift();
      if (next) {
        // A command that has closed its stdin goes on; what it did not want is thrown away.
        if (open) open = await command.write(next).then(...outcomes);
        this.#giveBack(next.length);
      } else if (this.#ended) {
        if (open) command.closeStdin();
        return;
      } else {
        await this.#more();
      }
    }
  }

  #giveBack(bytes: number): void {
    this.#taken += bytes;
    // In pieces, so that typing costs no messages.
    if (this.#taken < this.#window / 4 || this.#stopped) return;
    this.#credit += this.#taken;
    this.#grant(this.#taken);
    this.#taken = 0;
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}

const outcomes = [() => true, () => false] as const;
