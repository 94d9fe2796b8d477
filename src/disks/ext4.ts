/** Makes ext4 file systems from directories, without mounting anything. */
import { run } from "../host/process.ts";

/** A file system of `megabytes` with the content, owners and modes of `directory`, in a sparse file. */
export async function makeExt4(
  directory: string,
  path: string,
  megabytes: number,
  signal: AbortSignal,
): Promise<void> {
  // Without lazy initialisation the guest's kernel would write the tables in the background of every new sandbox.
  await run(
    [
      "mke2fs",
      ...["-q", "-t", "ext4", "-m", "0", "-L", "root"],
      ...["-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"],
      ...["-d", directory, path, `${megabytes}M`],
    ],
    { signal },
  );
}
