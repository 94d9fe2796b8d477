/** What a session has written, as bytes out of the guest. */
import { reasonOf } from "../async/deadline.ts";
import { encodeCredit, FrameType, ProtocolError } from "./frame.ts";
import { fromGuest } from "./guest-error.ts";
import type { GuestBytes } from "./guest-files.ts";
import type { LogRequest } from "./guest-sessions.ts";
import type { Line } from "./line.ts";
import { emptyResult, errorMessage, parseMessage } from "./messages.ts";
import { OutputQueue, outputChannel } from "./output-queue.ts";

/** Resolves when the guest has found it. The signal ends the attempt and, afterwards, the reading. */
export async function readLog(
  line: Line,
  { session, follow, tail }: LogRequest,
  signal: AbortSignal,
): Promise<GuestBytes> {
  const opened = Promise.withResolvers<void>();
  const output = new OutputQueue((bytes) => line.send(encodeCredit(stream, bytes)));
  const over = () => signal.removeEventListener("abort", onAbort);
  const fail = (error: Error) => {
    over();
    opened.reject(error);
    output.fail(error);
  };
  const onFrame = (type: number, payload: Uint8Array) => {
    if (type === FrameType.opened) {
      parseMessage(emptyResult, "opened", payload);
      opened.resolve();
    } else if (type === FrameType.data) {
      output.push(outputChannel(payload), payload);
    } else if (type === FrameType.result) {
      over();
      output.end(() => {});
    } else if (type === FrameType.error) {
      fail(fromGuest(parseMessage(errorMessage, "error", payload)));
    } else if (type !== FrameType.end) {
      throw new ProtocolError("bad_type", `The guest sent a frame of type ${type} on a log`);
    }
  };
  const message = { kind: "log", session, follow, tail };
  const stream = line.open(message, { onFrame, onLost: fail }, signal);
  const release = () => {
    over();
    line.release(stream);
    output.clear();
    output.end(() => {});
  };
  const onAbort = () => {
    line.release(stream);
    output.clear();
    fail(reasonOf(signal));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  await opened.promise;
  return { [Symbol.asyncIterator]: () => bytesOf(output, release), release };
}

async function* bytesOf(output: OutputQueue, release: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const next = await output.next();
      if (next.done) return;
      yield next.value.chunk.subarray(1);
    }
  } finally {
    release();
  }
}
