/** One exec WebSocket: the request as its first message, then bytes and controls both ways until the command ends. */
import type { z } from "zod";
import {
  AttachStart,
  ExecControl,
  type ExecEvent,
  ExecStart,
  ShellStart,
} from "../../contract/exec.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import { parseJson } from "../json-input.ts";
import { parse } from "../validation.ts";
import { relay } from "./relay.ts";
import { type Conversation, closeCodes, type SocketConnection } from "./socket-connection.ts";
import { StdinFeed } from "./stdin-feed.ts";

/** What a first message can ask for. */
export type ExecOpening =
  | { kind: "exec"; request: z.output<typeof ExecStart> }
  | { kind: "attach"; request: z.output<typeof AttachStart> }
  | { kind: "shell"; request: z.output<typeof ShellStart> };

export type StartProcess = (opening: ExecOpening, signal: AbortSignal) => Promise<RunningCommand>;

type Control = z.infer<typeof ExecControl>;

/** Controls that may come while the command is being started. */
const maxEarly = 100;

export class ExecConversation implements Conversation {
  readonly #connection: SocketConnection;
  readonly #start: StartProcess;
  readonly #stdin: StdinFeed;
  #asked = false;
  #command: RunningCommand | undefined;
  #early: Control[] = [];

  constructor(connection: SocketConnection, start: StartProcess) {
    this.#connection = connection;
    this.#start = start;
    this.#stdin = new StdinFeed((bytes) => this.#tell({ type: "stdin_credit", bytes }));
    connection.over.addEventListener("abort", () => this.#stdin.stop(), { once: true });
  }

  received(message: string | Buffer): void {
    if (typeof message !== "string") this.#takeStdin(message);
    else if (!this.#asked) this.#begin(openingOf(parseJson(message, "first message")));
    else this.#control(controlIn(message));
  }

  #begin(opening: ExecOpening): void {
    this.#asked = true;
    this.#connection.window.limit(opening.request.window);
    const refusal = stdinRefusalOf(opening);
    if (refusal !== undefined) this.#stdin.refuse(refusal);
    this.#connection.run(() => this.#run(opening));
  }

  async #run(opening: ExecOpening): Promise<void> {
    const command = await this.#start(opening, this.#connection.over);
    this.#command = command;
    this.#tell(sessionEvent(command));
    for (const control of this.#early.splice(0)) this.#apply(command, control);
    this.#stdin.feed(command);
    const result = await relay(this.#connection, command, (chunk) =>
      this.#connection.send(chunk, 1),
    );
    if (!result) return;
    const { exitCode, reason, signal } = result;
    const event = { type: "exit", exit_code: exitCode, reason } as const;
    this.#tell(signal === undefined ? event : { ...event, signal });
    this.#connection.end(closeCodes.done);
  }

  #takeStdin(message: Buffer): void {
    if (!this.#asked) {
      throw new BhattiError("bad_request", "first message: must be the request as JSON text");
    }
    if (message[0] !== 0) {
      throw new BhattiError("bad_request", "binary frame: must start with byte 0, for stdin");
    }
    this.#stdin.take(message.subarray(1));
  }

  #control(control: Control): void {
    if (control.type === "stdin_end") this.#stdin.end();
    else if (control.type === "taken") this.#connection.window.take(control.bytes);
    else if (this.#command) this.#apply(this.#command, control);
    else if (this.#early.length < maxEarly) this.#early.push(control);
  }

  #apply(command: RunningCommand, control: Control): void {
    if (control.type === "resize") command.resize({ rows: control.rows, cols: control.cols });
    else if (control.type === "signal") command.signal(control.signal);
  }

  #tell(event: ExecEvent): void {
    this.#connection.tell(event);
  }
}

function controlIn(message: string): Control {
  return parse(ExecControl, parseJson(message, "control message"), "control message");
}

/** By its key, so that an error is about the form that was meant. */
function openingOf(message: unknown): ExecOpening {
  const has = (key: string) => typeof message === "object" && message !== null && key in message;
  const what = "first message";
  if (has("attach")) return { kind: "attach", request: parse(AttachStart, message, what) };
  if (has("shell")) return { kind: "shell", request: parse(ShellStart, message, what) };
  return { kind: "exec", request: parse(ExecStart, message, what) };
}

function stdinRefusalOf(opening: ExecOpening): string | undefined {
  if (opening.kind === "shell") return undefined;
  if (opening.kind === "attach") {
    return opening.request.mode === "watch" ? "is not accepted with mode watch" : undefined;
  }
  const { stdin, tty } = opening.request;
  return stdin || tty ? undefined : "is not accepted without stdin or tty in the request";
}

function sessionEvent(command: RunningCommand): ExecEvent {
  const { session, pid, log, tty, reattached, offset, prelude, warning } = command;
  return {
    type: "session",
    session_id: session,
    pid,
    ...(log !== "" && { tty, log, reattached, offset }),
    ...(prelude !== "" && { prelude }),
    ...(warning && { warning }),
  };
}
