/** The bytes that go to the guest on one stream: in order, and never beyond the credit that it gave. */
import {
  encodeData,
  encodeFrame,
  FrameType,
  initialCredit,
  ProtocolError,
  readUint32,
} from "./frame.ts";
import { Channel } from "./guest.ts";

/** How much goes out in one write; other streams' frames come in between. */
const batchBytes = 65_536;

export class Outgoing {
  readonly #send: (frames: Uint8Array) => Promise<void>;
  readonly #stream: number;
  #credit = initialCredit;
  #moreCredit: PromiseWithResolvers<void> | undefined;
  /** Why no further writes are taken. */
  #ended: Error | undefined;
  /** Why not even those are sent that were taken. */
  #stopped: Error | undefined;
  /** Settles, never rejecting, when all earlier writes have been dealt with. */
  #earlier: Promise<void> = Promise.resolve();

  constructor(stream: number, send: (frames: Uint8Array) => Promise<void>) {
    this.#stream = stream;
    this.#send = send;
  }

  /**
   * Resolves when all has been sent and there may be room for more; who does not care may ignore the promise. The bytes
   * must not change until then.
   */
  write(data: Uint8Array): Promise<void> {
    const refusal = this.#ended;
    const written = this.#earlier.then(() => {
      if (refusal) throw refusal;
      return this.#writeNow(data);
    });
    this.#earlier = written.catch(() => {});
    return written;
  }

  /** No more data after what has been written; further writes are refused for the given reason. */
  end(refusal: Error): void {
    if (this.#ended) return;
    this.#ended = refusal;
    const frame = encodeFrame(this.#stream, FrameType.end, Uint8Array.of(Channel.stdin));
    this.#earlier = this.#earlier
      .then(() => (this.#stopped ? undefined : this.#send(frame)))
      .catch(() => {}); // the stream's own end tells why
  }

  /** The stream is over: what waits is refused, and nothing more is sent. */
  stop(refusal: Error): void {
    if (this.#stopped) return;
    this.#stopped = refusal;
    this.#ended ??= refusal;
    this.#moreCredit?.reject(refusal);
  }

  /** A CREDIT frame came. Throws a ProtocolError. */
  grant(payload: Uint8Array): void {
    if (payload.length !== 4) throw new ProtocolError("bad_payload", "A credit is not 4 bytes");
    const bytes = readUint32(payload, 0);
    if (bytes === 0 || this.#credit + bytes > initialCredit) {
      throw new ProtocolError(
        "over_credit",
        "The guest returned more credit than it received bytes",
      );
    }
    this.#credit += bytes;
    this.#moreCredit?.resolve();
  }

  async #writeNow(data: Uint8Array): Promise<void> {
    let rest = data;
    while (rest.length > 0) {
      if (this.#stopped) throw this.#stopped;
      if (this.#credit === 0) {
        await this.#creditComes();
        continue;
      }
      const batch = rest.subarray(0, Math.min(this.#credit, batchBytes));
      this.#credit -= batch.length;
      rest = rest.subarray(batch.length);
      await this.#send(encodeData(this.#stream, Channel.stdin, batch));
    }
  }

  #creditComes(): Promise<void> {
    this.#moreCredit = Promise.withResolvers<void>();
    return this.#moreCredit.promise;
  }
}
