/** A path in a sandbox, as the transfers name it. */
import type { Received } from "../../client/answer.ts";
import type { Client } from "../../client/client.ts";
import { DaemonError } from "../../client/failure.ts";
import type { FileEntry } from "../../contract/files.ts";

export interface Place {
  /** The sandbox. */
  ref: string;
  path: string;
  as_root?: "true";
}

export function partsOf({ ref, ...query }: Place) {
  return { params: { ref }, query };
}

/** What is there; undefined for nothing. */
export async function lookUp(
  client: Client,
  place: Place,
): Promise<Received<FileEntry> | undefined> {
  try {
    return (await client.call("file.stat", partsOf(place))).result;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "path_not_found") return undefined;
    throw error;
  }
}
