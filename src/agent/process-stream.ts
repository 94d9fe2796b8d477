/** One process in the guest as a stream, from its OPEN frame to its result: whoever starts it, or takes it up. */
import { reasonOf } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { Allowance } from "./allowance.ts";
import { encodeCredit, encodeMessage, FrameType, ProtocolError } from "./frame.ts";
import type { ExecOutput, ExecResult, TerminalSize } from "./guest.ts";
import { fromGuest } from "./guest-error.ts";
import type { AttachedSession } from "./guest-sessions.ts";
import type { Line, StreamHandler } from "./line.ts";
import { errorMessage, execResultMessage, parseMessage, resizedMessage } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { OutputQueue, outputChannel } from "./output-queue.ts";

/** What the guest tells of a process when its stream is open. */
export interface OpenedProcess {
  session: string;
  pid: number;
  log: string;
  outputFile?: string | undefined;
  tty: boolean;
  stdin: boolean;
  offset: number;
  prelude: string;
}

export interface ProcessOpening {
  message: object;
  /** Throws a ProtocolError. */
  understand(payload: Uint8Array): OpenedProcess;
  /** It neither writes, nor resizes, nor signals. */
  onlyWatches: boolean;
  /** Who asked for the terminal's size hears of it. */
  resized?(size: TerminalSize): void;
}

/** Resolves when it is open. The signal ends the attempt and, afterwards, lets go of the process. */
export function openProcess(
  line: Line,
  opening: ProcessOpening,
  signal: AbortSignal,
): Promise<AttachedSession> {
  const opened = Promise.withResolvers<AttachedSession>();
  try {
    new ProcessStream(line, opening, signal, opened);
  } catch (error) {
    opened.reject(error);
  }
  return opened.promise;
}

class ProcessStream implements AttachedSession, StreamHandler {
  session = "";
  pid = 0;
  log = "";
  outputFile: string | undefined;
  tty = false;
  stdin = false;
  offset = 0;
  prelude = "";
  readonly result: Promise<ExecResult>;
  readonly #line: Line;
  readonly #stream: number;
  readonly #signal: AbortSignal;
  readonly #opening: ProcessOpening;
  readonly #opened: PromiseWithResolvers<AttachedSession>;
  readonly #result = Promise.withResolvers<ExecResult>();
  readonly #output: OutputQueue;
  readonly #stdin: Outgoing;
  readonly #onAbort = () => this.#letGo(reasonOf(this.#signal));
  readonly #iterator: AsyncIterator<ExecOutput, undefined>;
  #state: "opening" | "open" | "over" = "opening";
  readonly #ended = new Set<number>();
  readonly #sizes = new Allowance("sizes of its terminal");

  constructor(
    line: Line,
    opening: ProcessOpening,
    signal: AbortSignal,
    opened: PromiseWithResolvers<AttachedSession>,
  ) {
    this.#line = line;
    this.#signal = signal;
    this.#opening = opening;
    this.#opened = opened;
    this.result = this.#result.promise;
    this.result.catch(() => {}); // not everyone asks for it
    this.#stream = line.open(opening.message, this, signal);
    this.#output = new OutputQueue((bytes) => line.send(encodeCredit(this.#stream, bytes)));
    this.#stdin = new Outgoing(this.#stream, (frames) => line.sendWhenRoom(frames));
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
    this.#control({ type: "signal", signal: signalName(name) });
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
      case FrameType.control:
        this.#onControl(payload);
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
    if (this.#state !== "opening") throw new ProtocolError("bad_order", "A process started twice");
    Object.assign(this, this.#opening.understand(payload));
    if (this.#opening.onlyWatches) this.#stdin.stop(stdinClosed("is read-only with mode watch"));
    else if (!this.stdin) this.#stdin.stop(stdinClosed("was not requested"));
    this.#state = "open";
    this.#opened.resolve(this);
  }

  #onData(payload: Uint8Array): void {
    const channel = outputChannel(payload);
    if (payload.length < 2) throw new ProtocolError("bad_payload", "A piece of output is empty");
    if (this.#state !== "open" || this.#ended.has(channel)) {
      throw new ProtocolError("bad_order", "Output came before the start or after the end");
    }
    this.#output.push(channel, payload);
  }

  #onEnd(payload: Uint8Array): void {
    if (payload.length !== 1) throw new ProtocolError("bad_payload", "An end is not 1 byte");
    const channel = outputChannel(payload);
    if (this.#state !== "open" || this.#ended.has(channel)) {
      throw new ProtocolError("bad_order", "A channel ended before the start or twice");
    }
    this.#ended.add(channel);
  }

  #onControl(payload: Uint8Array): void {
    const { resized } = this.#opening;
    if (!resized || this.#state !== "open") {
      throw new ProtocolError("bad_order", "A terminal's size came unasked");
    }
    this.#sizes.take();
    const { rows, cols } = parseMessage(resizedMessage, "control", payload);
    resized({ rows, cols });
  }

  #onResult(payload: Uint8Array): void {
    if (this.#state !== "open") throw new ProtocolError("bad_order", "A result came too early");
    const result = parseMessage(execResultMessage, "result", payload);
    this.#finish(stdinClosed("is closed: the process has ended"));
    this.#output.end(() => this.#result.resolve(result));
  }

  #fail(error: Error): void {
    if (this.#state === "over") return;
    this.#finish(error);
    this.#opened.reject(error);
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
    this.#finish(stdinClosed("was released"));
    this.#result.resolve({ exitCode: -1, reason: "lost" });
    this.#output.end(() => {});
  }

  #finish(stdinRefusal: Error): void {
    this.#state = "over";
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stdin.stop(stdinRefusal);
  }

  #control(message: object): void {
    if (this.#state !== "open" || this.#opening.onlyWatches) return;
    this.#line.send(encodeMessage(this.#stream, FrameType.control, message));
  }
}

function stdinClosed(why: string): BhattiError {
  return new BhattiError("bad_request", `Cannot write to the process: stdin ${why}`);
}

/** As the guest wants it, with SIG. */
export function signalName(name: string): string {
  return name.startsWith("SIG") ? name : `SIG${name}`;
}
