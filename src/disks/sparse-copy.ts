/** Copies a file without reading its holes, by reference where the file system can. */
import { run } from "../host/process.ts";

export async function copySparse(from: string, to: string, signal: AbortSignal): Promise<void> {
  await run(["cp", "--reflink=auto", "--sparse=auto", from, to], { signal });
}
