/** What clients of the earlier WebSockets send: keystrokes as they come, and now and then a size. */
import { z } from "zod";
import { ExecControl } from "../../contract/exec.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import { parse } from "../validation.ts";
import { StdinFeed } from "./stdin-feed.ts";

type Control = z.infer<typeof ExecControl>;

/** These clients are granted nothing; what they send and the guest has not taken yet is kept, up to this. */
const windowBytes = 4 * 1024 * 1024;
const Resize = z.looseObject({ type: z.literal("resize") });

export class TerminalKeys {
  readonly #stdin = new StdinFeed(() => {}, windowBytes);
  #command: RunningCommand | undefined;
  /** The size that came while the session was being started. */
  #early: Control | undefined;

  /** Throws bad_request when there is too much of it. */
  take(message: string | Buffer): void {
    const control = typeof message === "string" ? resizeIn(message) : undefined;
    if (!control) this.#stdin.take(Buffer.from(message));
    else if (this.#command) apply(this.#command, control);
    else this.#early = control;
  }

  /** Of a session without a terminal, all that is sent is its input. */
  takeRaw(message: string | Buffer): void {
    this.#stdin.take(Buffer.from(message));
  }

  feed(command: RunningCommand): void {
    this.#command = command;
    if (this.#early) apply(command, this.#early);
    this.#stdin.feed(command);
  }

  stop(): void {
    this.#stdin.stop();
  }
}

function apply(command: RunningCommand, control: Control): void {
  if (control.type === "resize") command.resize({ rows: control.rows, cols: control.cols });
}

/** Throws bad_request for a size that is none. */
function resizeIn(text: string): Control | undefined {
  if (!text.startsWith("{")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // a brace that was typed or pasted
  }
  return Resize.safeParse(value).success ? parse(ExecControl, value, "control message") : undefined;
}
