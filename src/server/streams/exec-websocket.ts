/** One exec WebSocket: the request as its first message, then bytes and controls both ways until the command ends. */
import type { ServerWebSocket } from "bun";
import type { z } from "zod";
import { ExecControl, type ExecEvent, ExecStart } from "../../contract/exec.ts";
import { stdinWindowBytes } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Logger } from "../../observability/log.ts";
import type { RunningCommand } from "../../services/exec.ts";
import { failureOf } from "../failure.ts";
import type { SocketData } from "../request.ts";
import { parse } from "../validation.ts";
import { StdinFeed } from "./stdin-feed.ts";

type Socket = ServerWebSocket<SocketData>;

export interface ExecSocketOptions {
  requestId: string;
  log: Logger;
  /** Throws when the user may not start one now. */
  admit(): void;
  start(request: z.output<typeof ExecStart>, signal: AbortSignal): Promise<RunningCommand>;
}

const firstMessageMs = 10_000;
const silenceMs = 90_000;
/** Close codes of RFC 6455. */
const closeCodes = { done: 1000, refused: 1008, failed: 1011 };

export class ExecSocket {
  readonly #options: ExecSocketOptions;
  readonly #over = new AbortController();
  readonly #stdin: StdinFeed;
  #socket: Socket | undefined;
  #firstMessage: ReturnType<typeof setTimeout> | undefined;
  #asked = false;
  #command: RunningCommand | undefined;
  /** Controls that came while the command was being started. */
  #early: z.infer<typeof ExecControl>[] = [];
  #drained: PromiseWithResolvers<void> | undefined;
  #lastHeard = performance.now();

  constructor(options: ExecSocketOptions) {
    this.#options = options;
    this.#stdin = new StdinFeed((bytes) => this.#tell({ type: "stdin_credit", bytes }));
  }

  opened(socket: Socket): void {
    this.#socket = socket;
    this.#firstMessage = setTimeout(
      () => this.fail(new BhattiError("bad_request", "the first message did not come within 10 s")),
      firstMessageMs,
    );
    this.#guard(() => this.#options.admit());
  }

  received(message: string | Buffer): void {
    this.heard();
    if (this.#over.signal.aborted) return;
    this.#guard(() => {
      if (typeof message !== "string") this.#takeStdin(message);
      else if (!this.#asked) this.#begin(parse(ExecStart, jsonOf(message), "first message"));
      else this.#control(parse(ExecControl, jsonOf(message), "control message"));
    });
  }

  /** The client has taken what was sent. */
  drained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.heard();
  }

  /** The client gave a sign of life. */
  heard(): void {
    this.#lastHeard = performance.now();
  }

  /** Asks for a sign of life, and gives up on a client that gave none for long although it takes what it is sent. */
  checkLife(): void {
    const socket = this.#socket;
    // Who does not read, such as a pager at the end of a pipe, sees no pings either: there TCP must tell.
    const stalled = this.#drained !== undefined || (socket?.getBufferedAmount() ?? 0) > 0;
    if (!stalled && performance.now() - this.#lastHeard > silenceMs) socket?.terminate();
    else socket?.ping();
  }

  /** The connection is gone, by whoever's will. */
  closed(): void {
    clearTimeout(this.#firstMessage);
    this.#over.abort(new BhattiError("cancelled", "the client went away"));
    this.#stdin.stop();
    this.#command?.release();
    this.drained();
  }

  /** Tells the error as the last message. */
  fail(error: unknown): void {
    if (this.#over.signal.aborted) return;
    const { body, status } = failureOf(error, this.#options.requestId, this.#options.log);
    this.#tell({ type: "error", ...body });
    this.#end(status < 500 ? closeCodes.refused : closeCodes.failed);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  #begin(request: z.output<typeof ExecStart>): void {
    this.#asked = true;
    clearTimeout(this.#firstMessage);
    if (!request.stdin && !request.tty) this.#stdin.refuse();
    void this.#run(request).catch((error: unknown) => this.fail(error));
  }

  async #run(request: z.output<typeof ExecStart>): Promise<void> {
    const command = await this.#options.start(request, this.#over.signal);
    if (this.#over.signal.aborted) {
      command.release();
      return;
    }
    this.#command = command;
    const { session, pid, warning } = command;
    this.#tell({ type: "session", session_id: session, pid, ...(warning && { warning }) });
    for (const control of this.#early.splice(0)) this.#apply(command, control);
    this.#stdin.feed(command);
    for await (const { chunk } of command) {
      if (this.#socket?.sendBinary(chunk) === -1) await this.#room();
      if (this.#over.signal.aborted) return;
    }
    const { exitCode, reason, signal } = await command.result;
    this.#command = undefined; // nothing is left of it to let go
    this.#tell({
      type: "exit",
      exit_code: exitCode,
      reason,
      ...(signal !== undefined && { signal }),
    });
    this.#end(closeCodes.done);
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

  #control(control: z.infer<typeof ExecControl>): void {
    if (control.type === "stdin_end") this.#stdin.end();
    else if (this.#command) this.#apply(this.#command, control);
    else if (this.#early.length < 100) this.#early.push(control);
  }

  #apply(command: RunningCommand, control: z.infer<typeof ExecControl>): void {
    if (control.type === "resize") command.resize({ rows: control.rows, cols: control.cols });
    else if (control.type === "signal") command.signal(control.signal);
  }

  /** Resolves when the client has taken what was sent, or is gone. */
  async #room(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    await this.#drained.promise;
  }

  #tell(event: ExecEvent): void {
    this.#socket?.sendText(JSON.stringify(event));
  }

  #end(code: number): void {
    const socket = this.#socket;
    this.closed();
    this.#socket = undefined;
    socket?.close(code);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BhattiError("bad_request", "message: must be JSON", { cause: error });
  }
}

/** Larger messages end the connection: a request with its environment, or a window full of stdin. */
export function largestMessage(jsonBodyBytes: number): number {
  return Math.max(jsonBodyBytes, stdinWindowBytes + 1);
}
