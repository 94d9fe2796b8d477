/** Our stdin as one file: its length must be known before it is sent. */
import type { Client } from "../../client/client.ts";
import { notBhatti } from "../../client/failure.ts";
import { maximumFileBytes } from "../../contract/file-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { untilSignal } from "./until-signal.ts";

type Target = Parameters<Client["transfer"]>[1];

/** Throws file_too_large as soon as it is longer than what is taken. */
export async function sendStdin(context: Context, target: Target): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of context.system.stdin.chunks()) {
    size += piece.length;
    if (size > maximumFileBytes) {
      throw new BhattiError(
        "file_too_large",
        `what comes on stdin has more than ${maximumFileBytes} bytes, the most that are taken at once`,
      );
    }
    pieces.push(piece);
  }
  const client = await context.client();
  return await untilSignal(context, "the file is as it was", async (signal) => {
    const body = Buffer.concat(pieces.splice(0));
    const response = await client.transfer("file.write", target, { body, size, signal });
    const result = await response.json().catch(() => {
      throw notBhatti(client.url, response);
    });
    context.timing?.end();
    return result;
  });
}
