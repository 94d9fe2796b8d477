/** Parses JSON values, one a line, out of the pieces that they arrive in. */
import type { z } from "zod";
import { ProtocolError } from "./frame.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { parseMessage } from "./messages.ts";

const newline = 0x0a;
/** The longest has two paths of 4 KiB, each byte of which takes six in JSON at most. */
export const maxLineBytes = 128 * 1024;

export interface Parsed<T> {
  value: T;
  /** Bytes of its line, with the newline. */
  length: number;
}

/** Throws a ProtocolError for a line that is malformed, too long, or cut off. */
export async function* linesOf<T>(
  pieces: AsyncIterable<Uint8Array>,
  schema: z.ZodType<T>,
  what: string,
): AsyncGenerator<Parsed<T>, undefined> {
  let begun: GrowingBytes | undefined;
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, start)) {
      const line = joined(begun, piece.subarray(start, end)).bytes();
      begun = undefined;
      yield { value: parseMessage(schema, what, line), length: line.length + 1 };
      start = end + 1;
    }
    if (start < piece.length) begun = joined(begun, piece.subarray(start));
    if (begun && begun.length > maxLineBytes) throw tooLong(what);
  }
  if (begun) throw tooLong(what);
}

function joined(begun: GrowingBytes | undefined, piece: Uint8Array): GrowingBytes {
  if (!begun) return new GrowingBytes(piece);
  begun.append(piece);
  return begun;
}

function tooLong(what: string): ProtocolError {
  return new ProtocolError("too_long", `The guest's ${what} exceeds ${maxLineBytes / 1024} KiB`);
}
