/** Starts a process in the guest. */
import type { ExecRequest, GuestProcess } from "./guest.ts";
import type { Line } from "./line.ts";
import { openedExecMessage, parseMessage } from "./messages.ts";
import { openProcess } from "./process-stream.ts";

/** Resolves when the process runs. The signal ends the start and, afterwards, lets go of the process. */
export function startExec(
  line: Line,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<GuestProcess> {
  const tty = request.tty !== undefined;
  const stdin = request.stdin || tty; // a terminal always has a keyboard
  const opening = {
    message: openMessage(request, stdin),
    understand: (payload: Uint8Array) => ({
      ...parseMessage(openedExecMessage, "opened", payload),
      ...{ tty, stdin, offset: 0, prelude: "" },
    }),
    onlyWatches: false,
  };
  return openProcess(line, opening, signal);
}

function openMessage(request: ExecRequest, stdin: boolean): object {
  return {
    kind: "exec",
    argv: request.argv,
    env: request.env,
    cwd: request.cwd,
    user: request.user,
    tty: request.tty,
    stdin,
    timeout_ms: request.timeoutMs,
    session: request.session,
    max_idle_ms: request.maxIdleMs,
    output: request.outputFile,
  };
}
