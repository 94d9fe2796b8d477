/** A command's output as it comes, one JSON object a line. */
import { reasonOf } from "../../async/deadline.ts";
import { type Encoded, ReplacedText, TextEvents } from "../../contract/text-events.ts";
import type { RunningCommand } from "../../services/running-command.ts";
import { failureOf } from "../failure.ts";
import { type JsonLinesOptions, respondWithLines } from "./json-lines.ts";

const names = { 1: "stdout", 2: "stderr" } as const;

export interface NdjsonOptions extends JsonLinesOptions {
  /** Whether the client asked for base64 where output is not UTF-8. */
  base64: boolean;
}

/** The client's pace is the command's: a line is made when there is room for it. */
export function streamOutput(command: RunningCommand, options: NdjsonOptions): Response {
  return respondWithLines(linesOf(command, options), command, options.signal);
}

async function* linesOf(command: RunningCommand, options: NdjsonOptions) {
  for await (const event of eventsOf(command, options)) yield `${JSON.stringify(event)}\n`;
}

async function* eventsOf(command: RunningCommand, options: NdjsonOptions) {
  const { requestId, log, base64 } = options;
  const Encoder = base64 ? TextEvents : ReplacedText;
  const texts = { 1: new Encoder(), 2: new Encoder() };
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
    options.signal.throwIfAborted();
    yield { type: "exit", exit_code: exitCode, reason, ...(signal !== undefined && { signal }) };
  } catch (cause) {
    const error = options.signal.aborted ? reasonOf(options.signal) : cause;
    const { body } = failureOf(error, requestId, log);
    yield { type: "error", data: body.error, ...body };
  }
}
