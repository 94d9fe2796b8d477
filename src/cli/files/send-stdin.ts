/** Our stdin as one file: its length must be known before it is sent. */
import type { Client } from "../../client/client.ts";
import { maximumFileBytes } from "../../contract/file-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import type { FileInput, Input } from "../system.ts";
import { untilSignal } from "./until-signal.ts";
import { upload } from "./upload.ts";

const smallBytes = 65_536;

type Target = Parameters<Client["transfer"]>[1];

/** Throws file_too_large as soon as it is longer than what is taken. */
export async function sendStdin(context: Context, target: Target): Promise<unknown> {
  const { stdin } = context.system;
  const file = await stdin.file();
  if (file && file.bytes > maximumFileBytes) throw tooLarge();
  // A file of known length is not read before it is sent. Files of /proc and /sys report a wrong length.
  const isKnown = file && file.bytes > smallBytes;
  const { size, pieces } = isKnown ? readAsSent(stdin, file) : await collect(stdin);
  const client = await context.client();
  return await untilSignal(context, "the file was not changed", async (signal) => {
    const result = await upload(client, "file.write", target, { size, pieces, signal });
    context.timing?.end();
    return result;
  });
}

function readAsSent(stdin: Input, { bytes, position }: FileInput) {
  let isAgain = false;
  const pieces = () => {
    const chunks = isAgain ? stdin.chunks(position) : stdin.chunks();
    isAgain = true;
    return firstBytes(chunks, bytes);
  };
  return { size: bytes, pieces };
}

/** Throws bad_usage when there are fewer. */
export async function* firstBytes(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, undefined> {
  let left = size;
  for await (const piece of chunks) {
    yield piece.subarray(0, left);
    left -= piece.length;
    if (left <= 0) return; // what is added meanwhile does not belong to it
  }
  throw new BhattiError(
    "bad_usage",
    `the file on stdin shrank from ${size} bytes while it was read, ${left} are missing`,
  );
}

async function collect(stdin: Input) {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stdin.chunks()) {
    size += piece.length;
    if (size > maximumFileBytes) throw tooLarge();
    pieces.push(piece);
  }
  return { size, pieces: () => pieces.values() };
}

function tooLarge(): BhattiError {
  return new BhattiError(
    "file_too_large",
    `stdin has more than ${maximumFileBytes} bytes, the maximum`,
  );
}
