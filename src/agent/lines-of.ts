/** JSON values, one a line, out of the pieces that they arrive in. */
import type { z } from "zod";
import { BhattiError } from "../errors/bhatti-error.ts";
import { parseMessage } from "./messages.ts";

const newline = 0x0a;
/** The longest has two paths of 4 KiB, each byte of which takes six in JSON at most. */
const maxLineBytes = 128 * 1024;

/** Throws guest_failed, and a ProtocolError when a line is not what it should be. */
export async function* linesOf<T>(
  pieces: AsyncIterable<Uint8Array>,
  schema: z.ZodType<T>,
  what: string,
): AsyncGenerator<T, undefined> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      yield parseMessage(schema, what, bytes.subarray(start, end));
      start = end + 1;
    }
    // A piece may be all that is left of the chunk that it arrived in.
    rest = bytes.slice(start);
    if (rest.length > maxLineBytes) throw tooLong(what);
  }
  if (rest.length > 0) throw tooLong(what);
}

function tooLong(what: string): BhattiError {
  return new BhattiError("guest_failed", `The guest's ${what} has no end`);
}
