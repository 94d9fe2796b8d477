/** A sandbox's files → local ones. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Client } from "../../client/client.ts";
import { bytesOf as bytesIn } from "../../client/received.ts";
import { bytesOf } from "../../contract/byte-text.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { type Progress, showProgress } from "../terminal/progress.ts";
import { type Destination, destinationOf, openSpecial } from "./destination.ts";
import { type Extracted, extractBytes, extractFile, extractInto } from "./extract.ts";
import { writing } from "./local-error.ts";
import type { TreeOptions } from "./local-tree.ts";
import { type Place, partsOf } from "./place.ts";
import { explainCut } from "./shrunk.ts";
import { untilSignal } from "./until-signal.ts";

export interface Pulled extends Extracted {
  files: number;
  bytes: number;
  /** The bytes went to standard output. */
  isPrinted: boolean;
}

export async function pullFrom(
  context: Context,
  place: Place,
  local: string,
  options: TreeOptions,
): Promise<Pulled> {
  const client = await context.client();
  const { result: there } = await client.call("file.stat", partsOf(place));
  const isDirectory = kindOf(local) === "directory";
  if (there.is_dir && local === "-") {
    throw new BhattiError("bad_usage", "a directory cannot be written to standard output", {
      hint: `Use tar: bhatti exec ${place.ref} -- tar c ${place.path}`,
    });
  }
  if (there.is_dir && kindOf(local) === "file") {
    throw new BhattiError(
      "bad_usage",
      `cannot copy the directory ${there.path ?? place.path} to the file "${local}"`,
    );
  }
  const createsDirectory = local.endsWith("/");
  const into = isDirectory || createsDirectory;
  const target = there.is_dir || !into ? local : join(local, basename(place.path));
  const destination = there.is_dir ? undefined : destinationOf(target, { createsDirectory });
  const progress = await showProgress(context, () =>
    there.is_dir || there.size === undefined ? undefined : { files: 1, bytes: there.size },
  );
  try {
    const extracted = await untilSignal(context, left(destination, local), async (signal) => {
      const tar = await open(client, place, signal);
      if (!destination) return await extractInto(target, tar, progress, options);
      const extracting = extractOneTo(context, destination, tar, { progress, signal, options });
      return await extracting.catch(async (error: unknown) => {
        const sizes = { from: there.size ?? 0, to: progress.bytes };
        throw await explainCut(error, client, place, sizes);
      });
    });
    const { files, bytes } = progress;
    return { ...extracted, files, bytes, isPrinted: destination?.kind === "stdout" };
  } finally {
    await progress.end();
  }
}

/** Of a directory that is undefined. */
function left(destination: Destination | undefined, local: string): string {
  if (!destination) return `files already copied to ${local} are kept`;
  return destination.kind === "file" ? "nothing was changed" : "a part of it is written";
}

async function extractOneTo(
  { system }: Context,
  destination: Destination,
  tar: AsyncIterable<Uint8Array>,
  { progress, signal, options }: { progress: Progress; signal: AbortSignal; options: TreeOptions },
): Promise<Extracted> {
  switch (destination.kind) {
    case "stdout":
      return await extractBytes((bytes) => system.stdout.write(bytes), tar, progress);
    case "special": {
      await using special = await openSpecial(destination.path, signal);
      return await extractBytes((bytes) => special.write(bytes), tar, progress);
    }
    case "file":
      return await extractFile(destination, tar, progress, options);
  }
}

async function open(client: Client, place: Place, signal: AbortSignal) {
  const { params, query } = partsOf(place);
  const input = { params, query: { ...query, sparse: "true" as const } };
  return bytesIn(await client.transfer("file.pull", input, { signal }), { signal });
}

function kindOf(local: string): "directory" | "file" | "nothing" {
  const stat = writing(local, () => statSync(bytesOf(local), { throwIfNoEntry: false }));
  if (!stat) return "nothing";
  return stat.isDirectory() ? "directory" : "file";
}
