/** A session's log, or the end of it, on stdout. */
import { bytesOf } from "../../client/received.ts";
import type { Context } from "../context.ts";
import { bytesOfLastLines } from "./log-tail.ts";

export interface LogPart {
  follow: boolean;
  /** Lines. */
  tail: number | undefined;
  bytes: number | undefined;
}

const newline = 0x0a;

export async function printLog(
  context: Context,
  params: { ref: string; session: string },
  part: LogPart,
): Promise<void> {
  const client = await context.client();
  const read = async function* (query: { tail?: string; follow?: "true" }) {
    const response = await client.transfer("session.log", { params, query });
    yield* bytesOf(response, query.follow ? { silenceMs: 0 } : {});
  };
  const last = (bytes: number) => read({ tail: String(bytes) });
  const tail = part.tail === undefined ? part.bytes : await bytesOfLastLines(part.tail, last);
  // One byte more is the end of the line before, unless there was more output since: then a line is cut, and goes.
  const cuts = part.tail !== undefined && part.tail > 0 && tail !== undefined;
  const output = read({
    ...(tail !== undefined && { tail: String(cuts ? tail + 1 : tail) }),
    ...(part.follow && { follow: "true" as const }),
  });
  for await (const bytes of cuts ? fromNextLine(output) : output) {
    await context.system.stdout.write(bytes);
  }
  context.timing?.end();
}

async function* fromNextLine(output: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isCut = true;
  for await (const bytes of output) {
    if (!isCut) yield bytes;
    else {
      const at = bytes.indexOf(newline);
      isCut = at < 0;
      if (at >= 0) yield bytes.subarray(at + 1);
    }
  }
}
