/** One JSON object a line, at the client's pace. */
import { reasonOf } from "../../async/deadline.ts";
import type { Pieces } from "../../async/pieces.ts";
import type { Logger } from "../../observability/log.ts";
import { failureOf } from "../failure.ts";
import { bodyOfPieces } from "./pieces-body.ts";

export interface JsonLinesOptions {
  requestId: string;
  log: Logger;
  signal: AbortSignal;
}

/** `lines`, each with its newline, are made of what comes from `source`; that is released as in `bodyOfPieces`. */
export function respondWithLines(
  lines: AsyncIterable<string>,
  source: { release(): void },
  signal: AbortSignal,
): Response {
  const bytes = encoded(lines);
  return new Response(bodyOfPieces(bytes, source, signal), {
    headers: {
      "Content-Type": "application/x-ndjson",
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
    },
  });
}

/**
 * Things as they happen, after an empty line: the server sends no headers before a first byte. The last line is an error
 * if it does not end well.
 */
export function respondWithItems<T>(
  items: Pieces<T>,
  present: (item: T) => object,
  options: JsonLinesOptions,
): Response {
  return respondWithLines(linesOf(items, present, options), items, options.signal);
}

async function* linesOf<T>(
  items: AsyncIterable<T>,
  present: (item: T) => object,
  { requestId, log, signal }: JsonLinesOptions,
) {
  yield "\n";
  try {
    for await (const item of items) yield `${JSON.stringify(present(item))}\n`;
    signal.throwIfAborted();
  } catch (cause) {
    const error = signal.aborted ? reasonOf(signal) : cause;
    const { body } = failureOf(error, requestId, log);
    yield `${JSON.stringify({ type: "error", ...body })}\n`;
  }
}

async function* encoded(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const line of lines) yield encoder.encode(line);
}
