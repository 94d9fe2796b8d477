/** Output between the line and its consumer: the window that the guest may fill, and what waits in it. */
import { initialCredit, ProtocolError } from "./frame.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { Channel, type ExecOutput } from "./guest.ts";

type OutputChannel = ExecOutput["channel"];

/** Smaller pieces are put together while they wait. */
const smallBytes = 4096;
const joinedBytes = 32_768;
/** With more pieces than this, the order of the two channels among each other is given up for memory. */
const maxPieces = 1024;
/** Credit is given back in portions of this size. */
const creditPortion = initialCredit / 4;

interface Piece {
  channel: OutputChannel;
  bytes: Uint8Array | GrowingBytes;
}

export class OutputQueue {
  readonly #giveCredit: (bytes: number) => void;
  #pieces: Piece[] = [];
  #window = initialCredit;
  #owed = 0;
  #waiting: PromiseWithResolvers<IteratorResult<ExecOutput, undefined>> | undefined;
  #end: { error: Error | undefined } | undefined;
  #onDrained: (() => void) | undefined;

  constructor(giveCredit: (bytes: number) => void) {
    this.#giveCredit = giveCredit;
  }

  /** `chunk` is a DATA frame's payload, with the channel byte. Throws over_credit. */
  push(channel: OutputChannel, chunk: Uint8Array): void {
    this.#window -= chunk.length - 1;
    if (this.#window < 0) {
      throw new ProtocolError("over_credit", "The guest sent more than it had credit for");
    }
    const waiting = this.#waiting;
    if (!waiting) {
      this.#keep(channel, chunk);
      return;
    }
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: { channel, chunk } });
    this.#passedOn(chunk.length - 1);
  }

  /** Nothing follows. Calls back when the consumer has taken all there was. */
  end(onDrained: () => void): void {
    this.#end = { error: undefined };
    this.#onDrained = onDrained;
    this.#wakeAtEnd();
  }

  /** Nothing follows, and the consumer hears why after what there was. */
  fail(error: Error): void {
    this.#end = { error };
    this.#onDrained = undefined;
    this.#wakeAtEnd();
  }

  /** Forgets what waits, as if the consumer had taken it. */
  clear(): void {
    this.#pieces = [];
    this.#reportDrained();
  }

  next(): Promise<IteratorResult<ExecOutput, undefined>> {
    const piece = this.#pieces.shift();
    if (piece) {
      const chunk = piece.bytes instanceof GrowingBytes ? piece.bytes.bytes() : piece.bytes;
      this.#passedOn(chunk.length - 1);
      this.#reportDrained();
      return Promise.resolve({ done: false, value: { channel: piece.channel, chunk } });
    }
    if (this.#end?.error) return Promise.reject(this.#end.error);
    if (this.#end) return Promise.resolve({ done: true, value: undefined });
    if (this.#waiting) return Promise.reject(new Error("The output is being read already"));
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #keep(channel: OutputChannel, chunk: Uint8Array): void {
    const crowded = this.#pieces.length >= maxPieces;
    const joinable = crowded
      ? this.#pieces.findLast((piece) => piece.channel === channel)
      : this.#pieces.at(-1);
    if (joinable?.channel === channel && (crowded || isSmall(joinable.bytes, chunk))) {
      if (!(joinable.bytes instanceof GrowingBytes)) {
        joinable.bytes = new GrowingBytes(joinable.bytes);
      }
      joinable.bytes.append(chunk.subarray(1));
      return;
    }
    // A small piece must not keep the large chunk that it arrived in.
    const bytes = chunk.length < smallBytes ? chunk.slice() : chunk;
    this.#pieces.push({ channel, bytes });
  }

  #passedOn(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < creditPortion || this.#end) return;
    this.#window += this.#owed;
    this.#giveCredit(this.#owed);
    this.#owed = 0;
  }

  #wakeAtEnd(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const error = this.#end?.error;
    if (error) waiting?.reject(error);
    else waiting?.resolve({ done: true, value: undefined });
    this.#reportDrained();
  }

  #reportDrained(): void {
    if (!this.#end || this.#pieces.length > 0) return;
    this.#onDrained?.();
    this.#onDrained = undefined;
  }
}

export function outputChannel(payload: Uint8Array): OutputChannel {
  const channel = payload[0];
  if (channel === Channel.stdout || channel === Channel.stderr) return channel;
  throw new ProtocolError("bad_payload", `Output came on channel ${channel}`);
}

function isSmall(waiting: Uint8Array | GrowingBytes, added: Uint8Array): boolean {
  return added.length < smallBytes && waiting.length + added.length <= joinedBytes;
}
