/** Parses JSON values, one a line, out of the pieces that they arrive in. */
import type { z } from "zod";
import { ProtocolError } from "./frame.ts";
import { parseMessage } from "./messages.ts";

const newline = 0x0a;
/** The longest has two paths of 4 KiB, each byte of which takes six in JSON at most. */
export const maxLineBytes = 64 * 1024;

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
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      const value = parseMessage(schema, what, bytes.subarray(start, end));
      yield { value, length: end + 1 - start };
      start = end + 1;
    }
    // A piece may be all that is left of the chunk that it arrived in.
    rest = bytes.slice(start);
    if (rest.length > maxLineBytes) throw tooLong(what);
  }
  if (rest.length > 0) throw tooLong(what);
}

function tooLong(what: string): ProtocolError {
  return new ProtocolError("too_long", `The guest's ${what} has no end`);
}
