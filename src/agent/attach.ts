/** Takes up a session in the guest, or looks on. */
import { type AttachedSession, type AttachRequest, logPathOf } from "./guest-sessions.ts";
import type { Line } from "./line.ts";
import { attachedMessage, parseMessage } from "./messages.ts";
import { openProcess } from "./process-stream.ts";

/** Resolves when it is attached. The signal ends the attempt and, afterwards, detaches. */
export function attachSession(
  line: Line,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<AttachedSession> {
  const { session, mode, ifDetached, from, tty, resized } = request;
  const sizes = resized && true;
  const opening = {
    message: { kind: "attach", session, mode, if_detached: ifDetached, from, tty, sizes },
    understand: (payload: Uint8Array) => {
      const attached = parseMessage(attachedMessage, "opened", payload);
      return { ...attached, log: logPathOf(attached.session) };
    },
    onlyWatches: mode === "watch",
    ...(resized && { resized }),
  };
  return openProcess(line, opening, signal);
}
