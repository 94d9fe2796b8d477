/** Things as they happen, one JSON object a line, after an empty line: the server sends no headers before a first byte. */
import { reasonOf } from "../../async/deadline.ts";
import type { Logger } from "../../observability/log.ts";
import { failureOf } from "../failure.ts";

interface Items<T> extends AsyncIterable<T> {
  release(): void;
}

export interface JsonLinesOptions {
  requestId: string;
  log: Logger;
  signal: AbortSignal;
}

/** The last line is an error if it does not end well. */
export function respondWithLines<T>(
  items: Items<T>,
  lineOf: (item: T) => object,
  options: JsonLinesOptions,
): Response {
  const { signal } = options;
  const release = () => items.release();
  signal.addEventListener("abort", release, { once: true });
  if (signal.aborted) {
    release();
    throw reasonOf(signal);
  }
  const encoder = new TextEncoder();
  const lines = linesOf(items, lineOf, options);
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await lines.next();
        if (!next.done) {
          controller.enqueue(encoder.encode(next.value));
          return;
        }
        signal.removeEventListener("abort", release);
        controller.close();
      },
      cancel: release,
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "Content-Type": "application/x-ndjson",
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
    },
  });
}

async function* linesOf<T>(
  items: AsyncIterable<T>,
  lineOf: (item: T) => object,
  { requestId, log }: JsonLinesOptions,
) {
  yield "\n";
  try {
    for await (const item of items) yield `${JSON.stringify(lineOf(item))}\n`;
  } catch (error) {
    const { body } = failureOf(error, requestId, log);
    yield `${JSON.stringify({ type: "error", ...body })}\n`;
  }
}
