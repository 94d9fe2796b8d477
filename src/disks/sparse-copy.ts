/** Copies a file without reading its holes, by reference where the file system can. */
import { explained, run } from "../host/process.ts";

/**
 * `tool` is the guest agent, run here. The target must exist and never becomes shorter meanwhile, so that a
 * process may have mapped it already: cp would truncate it first.
 */
export async function copySparse(
  tool: string,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  await explained(`Cannot copy "${from}" to "${to}"`, () =>
    run([tool, "copy-sparse", from, to], { signal }),
  );
}
