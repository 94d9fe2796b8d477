/**
 * Bytes as JSON can carry them: text where they are UTF-8, base64 where not, and no character cut in two. Daemon and
 * client write events by it, so it needs nothing of the runtime.
 */

export interface Encoded {
  data: string;
  encoding?: "base64";
}

const nothing = new Uint8Array();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface OutputEncoder {
  /** The event for these bytes and those held back before; undefined when all are held back. */
  next(bytes: Uint8Array): Encoded | undefined;
  /** Returns the bytes that are still incomplete when the stream ends. */
  rest(): Encoded | undefined;
}

/** Text only: U+FFFD replaces invalid UTF-8. */
export class ReplacedText implements OutputEncoder {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  next(bytes: Uint8Array): Encoded | undefined {
    return eventOf(this.#decoder.decode(bytes, { stream: true }));
  }

  rest(): Encoded | undefined {
    return eventOf(this.#decoder.decode());
  }
}

function eventOf(data: string): Encoded | undefined {
  return data === "" ? undefined : { data };
}

export class TextEvents implements OutputEncoder {
  #held: Uint8Array = nothing;

  next(bytes: Uint8Array): Encoded | undefined {
    const all = joined(this.#held, bytes);
    this.#held = nothing;
    const end = all.length - incompleteTail(all);
    const text = textOf(all.subarray(0, end));
    if (text === undefined) return base64(all);
    this.#held = all.slice(end);
    return eventOf(text);
  }

  /** No character will complete it any more. */
  rest(): Encoded | undefined {
    const held = this.#held;
    this.#held = nothing;
    return held.length === 0 ? undefined : base64(held);
  }
}

/** Whether it is all UTF-8; of what was cut, the last character may be incomplete. */
export function isText(pieces: Iterable<Uint8Array>, isCut: boolean): boolean {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for (const piece of pieces) decoder.decode(piece, { stream: true });
    if (!isCut) decoder.decode();
    return true;
  } catch {
    return false;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** How many bytes at the end begin a character and do not finish it: 0 to 3. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // inside a character
    return byte >= 0xc2 && byte <= 0xf4 && sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function base64(bytes: Uint8Array): Encoded {
  return { data: bytes.toBase64(), encoding: "base64" };
}
