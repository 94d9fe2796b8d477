/** From the line's bytes to its frames: nothing before the guest has answered our marker, then every frame. */
import { type Frame, FrameDecoder, FrameType, maxFrameBytes } from "./frame.ts";
import { MarkerHunt } from "./sync.ts";

/**
 * A host that repeats its greeting can be answered as often, and each answer may cut off what the guest was writing
 * before. So until all answers have come, or a frame that only comes after them, further markers start over.
 */
export class SynchronisedReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #hunt: MarkerHunt;
  readonly #decoder = new FrameDecoder();
  #greetings = 0;
  #answers = 0;
  #settled = false;
  #damage: { error: unknown; bytesAfter: number } | undefined;

  constructor(nonce: Uint8Array, onFrame: (frame: Frame) => void) {
    this.#hunt = new MarkerHunt(nonce);
    this.#onFrame = onFrame;
  }

  greeted(): void {
    this.#greetings++;
  }

  /** Throws a ProtocolError when the guest breaks the protocol. */
  feed(chunk: Uint8Array): void {
    if (this.#settled) this.#decoder.feed(chunk, this.#onFrame);
    else this.#feedUnsettled(chunk);
  }

  #feedUnsettled(chunk: Uint8Array): void {
    let rest = chunk;
    while (this.#answers < this.#greetings) {
      const end = this.#hunt.find(rest);
      if (end === undefined) break;
      this.#answers++;
      this.#damage = undefined;
      this.#decoder.reset();
      rest = rest.subarray(end);
    }
    if (this.#answers === 0) return;
    if (this.#damage) this.#bear(this.#damage.error, rest.length);
    else this.#decode(rest);
  }

  #decode(bytes: Uint8Array): void {
    try {
      this.#decoder.feed(bytes, (frame) => {
        if (frame.type !== FrameType.hello) this.#settled = true;
        this.#onFrame(frame);
      });
    } catch (error) {
      if (this.#settled || this.#answers === this.#greetings) throw error;
      this.#bear(error, 0);
    }
  }

  /** What looks malformed may be where a further answer begins; that must then show soon. */
  #bear(error: unknown, bytes: number): void {
    const bytesAfter = (this.#damage?.bytesAfter ?? 0) + bytes;
    if (bytesAfter > maxFrameBytes) throw error;
    this.#damage = { error, bytesAfter };
  }
}
