/** Streams of bytes to and from the guest: files, archives and logs. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { octal } from "./file-mode.ts";
import type { GuestFile, SizedContent } from "./guest.ts";
import type { LogRequest, ReadLog } from "./guest-sessions.ts";
import { GuestStream, type StreamPlan } from "./guest-stream.ts";
import type { Line } from "./line.ts";
import { nothing, openedLogMessage, writtenMessage } from "./messages.ts";

/** What kind of stream it is: its messages, and whether it has output. */
export type ContentPlan<Opened, Result> = Pick<
  StreamPlan<Opened, Result>,
  "opened" | "result" | "hasOutput"
>;

/** Consumers of a stream that is released get `cancelled`, so that they do not take a part of the content for all. */
export function openContent<Opened, Result>(
  line: Line,
  message: object & { kind: string },
  plan: ContentPlan<Opened, Result>,
  signal: AbortSignal,
): GuestStream<Opened, Result> {
  const refusal = () => new BhattiError("cancelled", "The file transfer was released");
  return new GuestStream(line, { message, ...plan, refusal }, signal);
}

/** Resolves when the guest has found the log. The signal ends the attempt and, afterwards, the reading. */
export async function readLog(
  line: Line,
  { session, follow, tail, from }: LogRequest,
  signal: AbortSignal,
): Promise<ReadLog> {
  const message = { kind: "log", session, follow, tail, from };
  const plan = { opened: openedLogMessage, result: nothing, hasOutput: true };
  const stream = openContent(line, message, plan, signal);
  return { ...(await stream.opened), ...stream.content };
}

/** Resolves when the guest has the file under its name. An aborted write leaves the old file. */
export async function writeFile(
  line: Line,
  file: GuestFile,
  content: Uint8Array | SizedContent,
  signal: AbortSignal,
): Promise<void> {
  const isBytes = content instanceof Uint8Array;
  const expected = isBytes ? content.length : content.size;
  const plan = { opened: nothing, result: writtenMessage, hasOutput: false };
  const stream = openContent(line, writeMessage(file, expected), plan, signal);
  void stream.send(isBytes ? [content] : content);
  const { size } = await stream.result;
  if (size === expected) return;
  throw new BhattiError("guest_failed", `The guest wrote ${size} bytes instead of ${expected}`);
}

function writeMessage({ path, mode, user, owner, keep }: GuestFile, size: number) {
  const options = { ...(owner && { owner }), ...(keep && { keep }) };
  return { kind: "write", path, size, mode: octal(mode), user, ...options };
}
