/** One process in the guest, from its OPEN frame to its result. */
import { reasonOf } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { encodeCredit, encodeMessage, FrameType, ProtocolError } from "./frame.ts";
import type { ExecOutput, ExecRequest, ExecResult, GuestProcess, TerminalSize } from "./guest.ts";
import { fromGuest } from "./guest-error.ts";
import type { Line, StreamHandler } from "./line.ts";
import { errorMessage, execResultMessage, openedExecMessage, parseMessage } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { OutputQueue, outputChannel } from "./output-queue.ts";

/** Resolves when the process runs. The signal ends the start and, afterwards, lets go of the process. */
export function startExec(
  line: Line,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<GuestProcess> {
  const started = Promise.withResolvers<GuestProcess>();
  try {
    new ExecStream(line, request, signal, started);
  } catch (error) {
    started.reject(error);
  }
  return started.promise;
}

class ExecStream implements GuestProcess, StreamHandler {
  session = "";
  pid = 0;
  log = "";
  readonly result: Promise<ExecResult>;
  readonly #line: Line;
  readonly #stream: number;
  readonly #signal: AbortSignal;
  readonly #started: PromiseWithResolvers<GuestProcess>;
  readonly #result = Promise.withResolvers<ExecResult>();
  readonly #output: OutputQueue;
  readonly #stdin: Outgoing;
  readonly #onAbort = () => this.#letGo(reasonOf(this.#signal));
  readonly #iterator: AsyncIterator<ExecOutput, undefined>;
  #state: "starting" | "running" | "over" = "starting";
  readonly #ended = new Set<number>();

  constructor(
    line: Line,
    request: ExecRequest,
    signal: AbortSignal,
    started: PromiseWithResolvers<GuestProcess>,
  ) {
    this.#line = line;
    this.#signal = signal;
    this.#started = started;
    this.result = this.#result.promise;
    this.result.catch(() => {}); // not everyone asks for it
    this.#stream = line.open(openMessage(request), this, signal);
    this.#output = new OutputQueue((bytes) => line.send(encodeCredit(this.#stream, bytes)));
    this.#stdin = new Outgoing(this.#stream, (frames) => line.sendWhenRoom(frames));
    if (!takesInput(request)) this.#stdin.stop(stdinClosed("was not asked for"));
    this.#iterator = {
      next: () => this.#output.next(),
      return: () => {
        this.release();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<ExecOutput, undefined> {
    return this.#iterator;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#stdin.write(data);
  }

  closeStdin(): void {
    this.#stdin.end(stdinClosed("was closed"));
  }

  resize(size: TerminalSize): void {
    this.#control({ type: "resize", rows: size.rows, cols: size.cols });
  }

  signal(name: string): void {
    const signal = name.startsWith("SIG") ? name : `SIG${name}`;
    this.#control({ type: "signal", signal });
  }

  release(): void {
    this.#letGo(undefined);
  }

  onFrame(type: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.data:
        this.#onData(payload);
        break;
      case FrameType.credit:
        this.#stdin.grant(payload);
        break;
      case FrameType.end:
        this.#onEnd(payload);
        break;
      case FrameType.opened:
        this.#onOpened(payload);
        break;
      case FrameType.result:
        this.#onResult(payload);
        break;
      case FrameType.error:
        this.#fail(fromGuest(parseMessage(errorMessage, "error", payload)));
        break;
      default:
        throw new ProtocolError("bad_type", `The guest sent a frame of type ${type} on a process`);
    }
  }

  onLost(reason: BhattiError): void {
    this.#fail(reason);
  }

  #onOpened(payload: Uint8Array): void {
    if (this.#state !== "starting") throw new ProtocolError("bad_order", "A process started twice");
    const { session, pid, log } = parseMessage(openedExecMessage, "opened", payload);
    this.session = session;
    this.pid = pid;
    this.log = log;
    this.#state = "running";
    this.#started.resolve(this);
  }

  #onData(payload: Uint8Array): void {
    const channel = outputChannel(payload);
    if (payload.length < 2) throw new ProtocolError("bad_payload", "A piece of output is empty");
    if (this.#state !== "running" || this.#ended.has(channel)) {
      throw new ProtocolError("bad_order", "Output came before the start or after the end");
    }
    this.#output.push(channel, payload);
  }

  #onEnd(payload: Uint8Array): void {
    if (payload.length !== 1) throw new ProtocolError("bad_payload", "An end is not 1 byte");
    const channel = outputChannel(payload);
    if (this.#state !== "running" || this.#ended.has(channel)) {
      throw new ProtocolError("bad_order", "A channel ended before the start or twice");
    }
    this.#ended.add(channel);
  }

  #onResult(payload: Uint8Array): void {
    if (this.#state !== "running") throw new ProtocolError("bad_order", "A result came too early");
    const result = parseMessage(execResultMessage, "result", payload);
    this.#finish(stdinClosed("has no reader any more: the process has ended"));
    this.#output.end(() => this.#result.resolve(result));
  }

  #fail(error: Error): void {
    if (this.#state === "over") return;
    this.#finish(error);
    this.#started.reject(error);
    this.#result.reject(error);
    this.#output.fail(error);
  }

  /** With a reason, the consumer hears it; without, its loop just ends. */
  #letGo(reason: Error | undefined): void {
    if (this.#state !== "over") {
      this.#line.release(this.#stream);
      if (reason) this.#fail(reason);
      else this.#drop();
    }
    this.#output.clear();
  }

  #drop(): void {
    this.#finish(stdinClosed("was let go"));
    this.#result.resolve({ exitCode: -1, reason: "lost" });
    this.#output.end(() => {});
  }

  #finish(stdinRefusal: Error): void {
    this.#state = "over";
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stdin.stop(stdinRefusal);
  }

  #control(message: object): void {
    if (this.#state !== "running") return;
    this.#line.send(encodeMessage(this.#stream, FrameType.control, message));
  }
}

/** A terminal always has a keyboard. */
function takesInput(request: ExecRequest): boolean {
  return request.stdin || request.tty !== undefined;
}

function openMessage(request: ExecRequest): object {
  return {
    kind: "exec",
    argv: request.argv,
    env: request.env,
    cwd: request.cwd,
    tty: request.tty,
    stdin: takesInput(request),
    timeout_ms: request.timeoutMs,
  };
}

function stdinClosed(why: string): BhattiError {
  return new BhattiError("bad_request", `The process takes no input: its stdin ${why}`);
}
