/** Resolves and opens the local destination of one file, as cp does. */
import { constants, fstatSync, lstatSync, realpathSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { abortable } from "../../async/deadline.ts";
import { bytesOf, textOf } from "../../contract/byte-text.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { descriptorOf, writeAll } from "../terminal/output.ts";
import { localError, writing } from "./local-error.ts";

export type Destination =
  | { kind: "stdout" }
  /** A device or a FIFO: bytes are written into it. */
  | { kind: "special"; path: string }
  /** A file to replace or create; a symbolic link to it is kept. */
  | { kind: "file"; directory: string; name: string };

/** Throws local_io for a dangling link and, unless `createsDirectory`, for a file in a directory that does not exist. */
export function destinationOf(
  local: string,
  { createsDirectory }: { createsDirectory: boolean },
): Destination {
  if (local === "-") return { kind: "stdout" };
  const path = bytesOf(local);
  const stat = writing(local, () => statSync(path, { throwIfNoEntry: false }));
  if (!stat) {
    if (lstatSync(path, { throwIfNoEntry: false })) {
      throw new BhattiError("local_io", `cannot write "${local}": Dangling symbolic link`);
    }
    const file = fileAt(local);
    if (!createsDirectory && !statSync(bytesOf(file.directory), { throwIfNoEntry: false })) {
      const rule = `Directory "${file.directory}" does not exist`;
      throw new BhattiError("local_io", `cannot write "${local}": ${rule}`);
    }
    return file;
  }
  if (isStdout(stat)) return { kind: "stdout" };
  return stat.isFile()
    ? fileAt(textOf(realpathSync(path, "buffer")))
    : { kind: "special", path: local };
}

function fileAt(path: string) {
  return { kind: "file", directory: dirname(path), name: basename(path) } as const;
}

/** Such as /dev/stdout. */
function isStdout({ dev, ino }: { dev: number; ino: number }): boolean {
  const stdout = fstatSync(1);
  return stdout.dev === dev && stdout.ino === ino;
}

/** Opens an existing file. Opening a FIFO waits for its reader, and a write for free buffer space, until the signal. */
export async function openSpecial(path: string, signal: AbortSignal) {
  const failed = (cause: unknown) => localError(`cannot write "${path}"`, cause);
  const opening = open(bytesOf(path), constants.O_WRONLY | constants.O_NOCTTY).catch(
    (cause: unknown) => {
      throw failed(cause);
    },
  );
  const file = await abortable(opening, signal);
  const descriptor = await descriptorOf(file.fd);
  return {
    async write(bytes: Uint8Array): Promise<void> {
      const written = writeAll(descriptor, bytes).catch((cause: unknown) => {
        throw failed(cause);
      });
      await abortable(written, signal);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
