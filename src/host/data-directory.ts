/** The data directory: only its owner may look into it. */
import { chmod, mkdir, readdir } from "node:fs/promises";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";

/** One of these is in each directory that is in use, or that was prepared for use. */
const own = ["bhatti.db", "daemon.lock", "images", "kernel", "reserve"];
/** In the root of a new file system. */
const ofFileSystem = ["lost+found"];

const hint = "Choose a new, empty or writable directory with --data-dir";

/** Creates the directory and closes it to others. Errors: host_unfit, also for a directory with files of others. */
export async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await refuseForeign(path);
    await chmod(path, 0o700);
  } catch (error) {
    if (error instanceof BhattiError) throw error;
    const message = `Cannot prepare the data directory ${path}: ${messageOf(error)}`;
    throw new BhattiError("host_unfit", message, { cause: error, hint });
  }
}

/** Closing a directory such as /tmp would break the host. */
async function refuseForeign(path: string): Promise<void> {
  const names = (await readdir(path)).filter((name) => !ofFileSystem.includes(name));
  if (names.length === 0 || names.some((name) => own.includes(name))) return;
  const message = `Cannot use ${path} as the data directory: it has other files, such as ${names[0]}`;
  throw new BhattiError("host_unfit", message, { hint });
}
