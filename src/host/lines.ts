/** Bytes to lines, however they were cut into chunks, with a limit on what may be kept in memory. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { Connection } from "./socket.ts";

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * The lines of a byte stream as text, without their ends (`\n` or `\r\n`). A last line without an end is yielded too.
 * Throws machine_failed when a line is longer than `maxBytes`.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  options: { maxBytes: number },
): AsyncGenerator<string, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const keep = (part: Uint8Array) => {
    length += part.length;
    if (length > options.maxBytes) {
      throw new BhattiError("machine_failed", `A line is longer than ${options.maxBytes} bytes`);
    }
    parts.push(part);
  };
  const take = () => {
    const text = textOf(parts, length);
    parts = [];
    length = 0;
    return text;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end < 0) break;
      keep(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

/** What a connection receives. Ends when it is closed, throws when an error closed it. */
export async function* chunksOf(connection: Connection): AsyncGenerator<Uint8Array, void> {
  const waiting: Uint8Array[] = [];
  let wake = Promise.withResolvers<void>();
  let over = false;
  let failure: Error | undefined;
  connection.onData((chunk) => {
    waiting.push(chunk);
    connection.pause();
    wake.resolve();
  });
  void connection.closed.then((error) => {
    over = true;
    failure = error;
    wake.resolve();
  });
  for (;;) {
    let chunk = waiting.shift();
    while (chunk) {
      yield chunk;
      chunk = waiting.shift();
    }
    if (over) break;
    wake = Promise.withResolvers<void>();
    connection.resume();
    await wake.promise;
  }
  if (failure) throw failure;
}

function textOf(parts: Uint8Array[], length: number): string {
  const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts, length);
  if (!bytes || length === 0) return "";
  const end = bytes[length - 1] === carriageReturn ? length - 1 : length;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
