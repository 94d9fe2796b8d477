/** What a session has written, as bytes out of the guest. */
import { FileStream } from "./file-stream.ts";
import type { GuestBytes } from "./guest-files.ts";
import type { LogRequest } from "./guest-sessions.ts";
import type { Line } from "./line.ts";
import { nothing } from "./messages.ts";

/** Resolves when the guest has found it. The signal ends the attempt and, afterwards, the reading. */
export async function readLog(
  line: Line,
  { session, follow, tail }: LogRequest,
  signal: AbortSignal,
): Promise<GuestBytes> {
  const open = { kind: "log", session, follow, tail };
  const stream = new FileStream(line, open, { opened: nothing, result: nothing }, signal);
  await stream.opened;
  return stream;
}
