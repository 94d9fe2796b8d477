/** A sandbox's files → local ones. */
import { statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Client } from "../../client/client.ts";
import { bytesOf } from "../../client/received.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { showProgress } from "../terminal/progress.ts";
import { type Extracted, extractFile, extractInto } from "./extract.ts";
import { type Place, partsOf } from "./place.ts";
import { untilSignal } from "./until-signal.ts";

export interface Pulled extends Extracted {
  files: number;
  bytes: number;
}

export async function pullFrom(context: Context, place: Place, local: string): Promise<Pulled> {
  const client = await context.client();
  const { result: there } = await client.call("file.stat", partsOf(place));
  const isDirectory = kindOf(local) === "directory";
  if (there.is_dir && kindOf(local) === "file") {
    throw new BhattiError(
      "bad_usage",
      `"${local}" is a file, and ${there.path ?? place.path} is a directory`,
    );
  }
  const into = isDirectory || local.endsWith("/");
  const target = there.is_dir || !into ? local : join(local, basename(there.path ?? place.path));
  const progress = await showProgress(context, () =>
    there.is_dir || there.size === undefined ? undefined : { files: 1, bytes: there.size },
  );
  const left = there.is_dir ? `what has arrived in ${local} stays as it is` : "nothing is changed";
  try {
    const extracted = await untilSignal(context, left, async (signal) => {
      const tar = await open(client, place, signal);
      return there.is_dir
        ? await extractInto(target, tar, progress)
        : await extractFile(dirname(resolve(target)), basename(target), tar, progress);
    });
    return { ...extracted, files: progress.files, bytes: progress.bytes };
  } finally {
    await progress.end();
  }
}

async function open(client: Client, place: Place, signal: AbortSignal) {
  return bytesOf(await client.transfer("file.pull", partsOf(place), { signal }), { signal });
}

function kindOf(local: string): "directory" | "file" | "nothing" {
  const stat = statSync(local, { throwIfNoEntry: false });
  if (!stat) return "nothing";
  return stat.isDirectory() ? "directory" : "file";
}
