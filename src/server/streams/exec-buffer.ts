/** A command's whole output as one answer, up to a limit. */
import type { z } from "zod";
import { releasedBy } from "../../async/pieces.ts";
import type { ExecResult } from "../../contract/exec.ts";
import { bufferedOutputBytes, withTruncationNote } from "../../contract/exec-limits.ts";
import type { RunningCommand } from "../../services/running-command.ts";

/** A client that goes away lets go of the command. */
export async function collectOutput(
  command: RunningCommand,
  signal: AbortSignal,
): Promise<z.infer<typeof ExecResult>> {
  const pieces: { 1: Uint8Array[]; 2: Uint8Array[] } = { 1: [], 2: [] };
  let room = bufferedOutputBytes;
  let truncated = false;
  using _ = releasedBy(signal, command);
  try {
    for await (const { channel, chunk } of command) {
      const bytes = chunk.subarray(1, 1 + room);
      if (bytes.length > 0) pieces[channel].push(bytes);
      room -= bytes.length;
      truncated ||= bytes.length < chunk.length - 1;
    }
    const result = await command.result;
    signal.throwIfAborted();
    const stderr = textOf(pieces[2]);
    return {
      exit_code: result.exitCode,
      stdout: textOf(pieces[1]),
      stderr: truncated ? withTruncationNote(stderr) : stderr,
      reason: result.reason,
      ...(result.signal !== undefined && { signal: result.signal }),
      ...(truncated && { truncated }),
      ...(command.warning && { warning: command.warning }),
    };
  } catch (error) {
    command.release();
    throw error;
  }
}

function textOf(pieces: Uint8Array[]): string {
  return pieces.length === 0 ? "" : Buffer.concat(pieces).toString("utf8");
}
