/** Files in a sandbox that become shorter while they are read, such as logs that are rotated. */
import type { Client } from "../../client/client.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import { lookUp, type Place } from "./place.ts";

export function shrunkText({ from, to }: { from: number; to: number }): string {
  return `file changed as we read it: shrank from ${from} to ${to} bytes`;
}

/**
 * The reason why an answer was cut off after `to` of `from` bytes: HTTP has no place for it behind the headers, but the
 * file is shorter now.
 */
export async function explainCut(
  error: unknown,
  client: Client,
  place: Place,
  sizes: { from: number; to: number },
): Promise<unknown> {
  if (!isBhattiError(error, "connection_lost")) return error;
  const now = await lookUp(client, place).catch(() => undefined);
  if (now?.size === undefined || now.size >= sizes.from) return error;
  const options = { cause: error };
  return new BhattiError("file_changed", `${place.path}: ${shrunkText(sizes)}`, options);
}
