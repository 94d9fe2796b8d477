/** The data directory: only its owner may look into it. */
import { chmod, mkdir } from "node:fs/promises";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";

export async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
  } catch (error) {
    throw new BhattiError(
      "host_unfit",
      `Cannot prepare the data directory ${path}: ${messageOf(error)}`,
      { cause: error, hint: "Choose a writable directory with --data-dir" },
    );
  }
}
