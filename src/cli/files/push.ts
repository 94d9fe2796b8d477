/** Local files → a sandbox. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Received } from "../../client/answer.ts";
import type { Client } from "../../client/client.ts";
import { DaemonError } from "../../client/failure.ts";
import { bytesOf } from "../../contract/byte-text.ts";
import type { Transferred } from "../../contract/files.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { showProgress } from "../terminal/progress.ts";
import { reading } from "./local-error.ts";
import { measure, type PackOptions, type PackProgress, packDirectory, packFile } from "./pack.ts";
import { lookUp, type Place, partsOf } from "./place.ts";
import { untilSignal } from "./until-signal.ts";
import { upload } from "./upload.ts";

export interface Pushed extends PackProgress {
  /** The daemon's words. */
  answer: Received<Transferred>;
}

export async function pushInto(context: Context, local: string, place: Place): Promise<Pushed> {
  const stat = reading(local, () => statSync(bytesOf(local)));
  if (!stat.isDirectory() && !stat.isFile()) throw unsized(local);
  const client = await context.client();
  const into = stat.isDirectory() ? { place, name: "" } : await destination(client, local, place);
  const total = () => (stat.isDirectory() ? measure(local) : { files: 1, bytes: stat.size });
  const shown = await showProgress(context, total);
  const progress = Object.assign(shown, { skipped: 0, unreadable: [] });
  const pieces = (options: PackOptions) => {
    Object.assign(progress, { files: 0, bytes: 0, skipped: 0, unreadable: [] });
    return stat.isDirectory()
      ? packDirectory(local, progress, options)
      : packFile(local, into.name, progress, options);
  };
  const send = (options: PackOptions, signal: AbortSignal) =>
    upload(client, "file.push", partsOf(into.place), { pieces: () => pieces(options), signal });
  try {
    const answer = await untilSignal(
      context,
      `files already copied to ${into.place.path} are kept`,
      (signal) =>
        send({ sparse: true }, signal).catch((error) => {
          if (!isSparseRefused(error)) throw error;
          return send({ sparse: false }, signal);
        }),
    );
    const { files, bytes, unreadable } = progress;
    const skipped = progress.skipped + (answer.skipped ?? 0);
    return { answer, files, bytes, skipped, unreadable };
  } finally {
    await shown.end();
  }
}

/** The error of an older agent. */
function isSparseRefused(error: unknown): boolean {
  const isRefusal = error instanceof DaemonError && error.code === "bad_request";
  return isRefusal && error.message.includes("sparse file, which is not supported");
}

/** A pipe would be waited for, and how much comes from it or from a device is not known before. */
function unsized(local: string): BhattiError {
  return new BhattiError("bad_usage", `"${local}" is neither a file nor a directory`, {
    hint: "For a pipe or a device, use stdin: bhatti file write <sandbox> <path>",
  });
}

/** The directory that the file goes into, and its name there. */
async function destination(client: Client, local: string, place: Place) {
  const { path } = place;
  const isInto = path.endsWith("/") || (await lookUp(client, place))?.is_dir;
  if (isInto) return { place, name: basename(local) };
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? "." : path.slice(0, slash) || "/";
  return { place: { ...place, path: parent }, name: path.slice(slash + 1) };
}
