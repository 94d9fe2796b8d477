/** One file on its way into the guest, in one piece. */
import { reasonOf } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { octal } from "./file-mode.ts";
import { FrameType, ProtocolError } from "./frame.ts";
import type { GuestFile, SizedContent } from "./guest.ts";
import { fromGuest } from "./guest-error.ts";
import type { Line } from "./line.ts";
import { errorMessage, parseMessage, writtenMessage } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";

/** Resolves when the guest has the file under its name. An aborted write leaves the old file. */
export async function writeFile(
  line: Line,
  file: GuestFile,
  content: Uint8Array | SizedContent,
  signal: AbortSignal,
): Promise<void> {
  const done = Promise.withResolvers<void>();
  const size = content instanceof Uint8Array ? content.length : content.size;
  const stream = line.open(
    openMessage(file, size),
    {
      onFrame(type, payload) {
        takeFrame(type, payload);
      },
      onLost: (reason) => finish(reason),
    },
    signal,
  );
  const outgoing = new Outgoing(stream, (frames) => line.sendWhenRoom(frames));

  const finish = (error?: Error) => {
    outgoing.stop(error ?? over());
    if (error) done.reject(error);
    else done.resolve();
  };
  const takeFrame = (type: number, payload: Uint8Array) => {
    if (type === FrameType.credit) outgoing.grant(payload);
    else if (type === FrameType.result) finish(checkResult(payload, size));
    else if (type === FrameType.error) {
      finish(fromGuest(parseMessage(errorMessage, "error", payload)));
    } else if (type !== FrameType.opened) {
      throw new ProtocolError("bad_type", `The guest sent a frame of type ${type} on a file`);
    }
  };
  const onAbort = () => {
    line.release(stream);
    finish(reasonOf(signal));
  };

  signal.addEventListener("abort", onAbort, { once: true });
  // `done` tells why the guest took no more; that there is no more to give is told to it by letting go of the file
  writeAll(outgoing, content).then(
    () => outgoing.end(over()),
    (error: unknown) => {
      line.release(stream);
      finish(error instanceof Error ? error : new Error(String(error)));
    },
  );
  try {
    await done.promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function writeAll(outgoing: Outgoing, content: Uint8Array | SizedContent): Promise<void> {
  if (content instanceof Uint8Array) return await outgoing.write(content);
  for await (const piece of content) await outgoing.write(piece);
}

function openMessage(file: GuestFile, size: number): object {
  const mode = octal(file.mode);
  const { path, user, owner, keep } = file;
  return { kind: "write", path, size, mode, user, ...(owner && { owner }), ...(keep && { keep }) };
}

function checkResult(payload: Uint8Array, expected: number): Error | undefined {
  const { size } = parseMessage(writtenMessage, "result", payload);
  if (size === expected) return undefined;
  return new BhattiError("guest_failed", `The guest wrote ${size} bytes instead of ${expected}`);
}

function over(): BhattiError {
  return new BhattiError("cancelled", "The file is complete");
}
