/** Copy-on-write disks over a shared, never-changing file. */
import { dirname } from "node:path";
import { explained, run } from "../host/process.ts";

export interface Backing {
  /** As written into the overlay: relative to the overlay's folder, so that the data directory can move. */
  path: string;
  format: "raw" | "qcow2";
}

/** An empty overlay of `bytes`, which may be larger than what it lies over. */
export async function makeOverlay(
  path: string,
  backing: Backing,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  // -u: the backing file is not opened, so its path need not resolve from here yet.
  const command = [
    "qemu-img",
    ...["create", "-q", "-u", "-f", "qcow2", "-o", "lazy_refcounts=on"],
    ...["-F", backing.format, "-b", backing.path, path, String(bytes)],
  ];
  await explained(`Cannot create a disk layer in "${dirname(path)}"`, () =>
    run(command, { signal }),
  );
}
