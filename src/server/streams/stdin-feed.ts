/** Stdin on its way from a socket that cannot be paused to a guest that can: bounded by credit. */
import { stdinWindowBytes } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RunningCommand } from "../../services/exec.ts";

/** Credit is given back in pieces of this size, so that typing costs no messages. */
const creditStep = stdinWindowBytes / 4;

export class StdinFeed {
  readonly #grant: (bytes: number) => void;
  #queue: Uint8Array[] = [];
  #credit = stdinWindowBytes;
  /** Taken by the guest, and not yet given back as credit. */
  #taken = 0;
  #refused = false;
  #ended = false;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
  }

  /** The command has no stdin. */
  refuse(): void {
    this.#refused = true;
  }

  take(bytes: Uint8Array): void {
    if (this.#refused) throw new BhattiError("bad_request", "stdin: was not asked for");
    if (this.#ended) throw new BhattiError("bad_request", "stdin: was ended before");
    this.#credit -= bytes.length;
    if (this.#credit < 0) {
      throw new BhattiError(
        "bad_request",
        `stdin: ${-this.#credit} bytes were sent beyond the credit, which starts at ${stdinWindowBytes}`,
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
    if (this.#taken < creditStep || this.#stopped) return;
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
