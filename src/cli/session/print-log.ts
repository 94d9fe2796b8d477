/** A session's log, or the end of it, on stdout. */
import type { Client } from "../../client/client.ts";
import { followLog, type LogToFollow } from "../../client/log-stream.ts";
import { bytesOf } from "../../client/received.ts";
import type { Context } from "../context.ts";
import { droppedWords, lostWords, regainedWords } from "./connection-words.ts";
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
  const read = async function* (bytes: number | undefined) {
    const query = bytes === undefined ? {} : { tail: String(bytes) };
    const response = await client.transfer("session.log", { params, query });
    const dropped = Number(response.headers.get("x-bhatti-offset") ?? 0);
    if (bytes === undefined && dropped > 0) await context.remark(droppedWords(dropped));
    yield* bytesOf(response);
  };
  const tail = part.tail === undefined ? part.bytes : await bytesOfLastLines(part.tail, read);
  // One byte more is the end of the line before, unless there was more output since: then a line is cut, and goes.
  const cuts = part.tail !== undefined && part.tail > 0 && tail !== undefined;
  const bytes = cuts ? tail + 1 : tail;
  const output = part.follow
    ? follow(context, client, { ...params, ...(bytes !== undefined && { tail: bytes }) })
    : read(bytes);
  for await (const piece of cuts ? fromNextLine(output) : output) {
    await context.system.stdout.write(piece);
  }
  context.timing?.end();
}

/** A lost connection is made again by itself, as that of `shell` and `attach` is, and in the same words. */
async function* follow(
  context: Context,
  client: Client,
  log: LogToFollow,
): AsyncGenerator<Uint8Array> {
  for await (const event of followLog(client, log)) {
    if (event.type === "output") yield event.data;
    else if (event.type === "dropped") await context.remark(droppedWords(event.bytes));
    else await context.remark(event.type === "lost" ? lostWords : regainedWords(event.complete));
  }
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
