/** What a session has written, as bytes out of the guest. */
import { FileStream } from "./file-stream.ts";
import type { LogRequest, ReadLog } from "./guest-sessions.ts";
import type { Line } from "./line.ts";
import { nothing, openedLogMessage } from "./messages.ts";

/** Resolves when the guest has found it. The signal ends the attempt and, afterwards, the reading. */
export async function readLog(
  line: Line,
  { session, follow, tail, from }: LogRequest,
  signal: AbortSignal,
): Promise<ReadLog> {
  const open = { kind: "log", session, follow, tail, from };
  const schemas = { opened: openedLogMessage, result: nothing };
  const stream = new FileStream(line, open, schemas, signal);
  return Object.assign(stream, await stream.opened);
}
