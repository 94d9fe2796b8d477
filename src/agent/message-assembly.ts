/** Puts JSON messages together that came in more than one frame, within what may be kept in memory for one line. */
import { type Frame, FrameType, maxMessageBytes, moreFlag, ProtocolError } from "./frame.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** Of the messages of a stream: the longest have two paths of 4 KiB, of which each byte takes six in JSON at most. */
const maxStreamMessageBytes = 128 * 1024;
const longest = new Map<number, number>([
  [FrameType.opened, maxStreamMessageBytes],
  [FrameType.result, maxStreamMessageBytes],
  [FrameType.error, maxStreamMessageBytes],
  [FrameType.control, 1024],
]);

/** For all unfinished messages of a line together. */
const maxUnfinishedBytes = 2 * maxMessageBytes;

export class MessageAssembly {
  readonly #unfinished = new Map<number, { type: number; bytes: GrowingBytes }>();
  #total = 0;

  /** The payload of the message that the frame completes; undefined if it goes on. Throws a ProtocolError. */
  add(frame: Frame): Uint8Array | undefined {
    const begun = this.#unfinished.get(frame.stream);
    const more = frame.flags === moreFlag;
    const limit = longest.get(frame.type) ?? maxMessageBytes;
    if (!begun && !more) {
      if (frame.payload.length > limit) throw tooLong();
      return frame.payload;
    }
    if (more && frame.payload.length === 0) {
      throw new ProtocolError("bad_payload", "A part of a message is empty");
    }
    if (begun && begun.type !== frame.type) {
      throw new ProtocolError("bad_order", "A message ended in the middle");
    }
    if (begun) begun.bytes.append(frame.payload);
    const bytes = begun?.bytes ?? new GrowingBytes(frame.payload);
    this.#total += frame.payload.length;
    if (bytes.length > limit || this.#total > maxUnfinishedBytes) throw tooLong();
    if (more) {
      this.#unfinished.set(frame.stream, { type: frame.type, bytes });
      return undefined;
    }
    this.forget(frame.stream);
    return bytes.bytes();
  }

  /** Drops what has come of a message on this stream. */
  forget(stream: number): void {
    const begun = this.#unfinished.get(stream);
    if (!begun) return;
    this.#total = Math.max(0, this.#total - begun.bytes.length);
    this.#unfinished.delete(stream);
  }
}

function tooLong(): ProtocolError {
  return new ProtocolError("too_long", "A message is too long");
}
