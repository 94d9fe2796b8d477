/** A command's output as it comes, one JSON object a line. */
import { reasonOf } from "../../async/deadline.ts";
import { type Encoded, TextEvents } from "../../contract/text-events.ts";
import type { Logger } from "../../observability/log.ts";
import type { RunningCommand } from "../../services/exec.ts";
import { failureOf } from "../failure.ts";

export interface StreamOptions {
  requestId: string;
  log: Logger;
  signal: AbortSignal;
}

const names = { 1: "stdout", 2: "stderr" } as const;

/** The client's pace is the command's: a line is made when there is room for it. */
export function streamOutput(command: RunningCommand, options: StreamOptions): Response {
  if (options.signal.aborted) {
    command.release();
    throw reasonOf(options.signal);
  }
  const encoder = new TextEncoder();
  const lines = eventsOf(command, options);
  const release = () => command.release();
  options.signal.addEventListener("abort", release, { once: true });
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await lines.next();
        if (next.done) {
          options.signal.removeEventListener("abort", release);
          controller.close();
        } else {
          controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`));
        }
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

async function* eventsOf(command: RunningCommand, { requestId, log }: StreamOptions) {
  const texts = { 1: new TextEvents(), 2: new TextEvents() };
  const event = (channel: 1 | 2, encoded: Encoded) => ({ type: names[channel], ...encoded });
  try {
    for await (const { channel, chunk } of command) {
      const encoded = texts[channel].next(chunk.subarray(1));
      if (encoded) yield event(channel, encoded);
    }
    for (const channel of [1, 2] as const) {
      const encoded = texts[channel].rest();
      if (encoded) yield event(channel, encoded);
    }
    const { exitCode, reason, signal } = await command.result;
    yield { type: "exit", exit_code: exitCode, reason, ...(signal !== undefined && { signal }) };
  } catch (error) {
    const { body } = failureOf(error, requestId, log);
    yield { type: "error", data: body.error, ...body };
  }
}
