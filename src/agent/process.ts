/** Starts a process in the guest, or attaches to a session. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { Allowance } from "./allowance.ts";
import type { ExecRequest, ExecResult, GuestProcess } from "./guest.ts";
import { printable } from "./guest-error.ts";
import { type AttachedSession, type AttachRequest, logPathOf } from "./guest-sessions.ts";
import { GuestStream, type StreamPlan } from "./guest-stream.ts";
import type { Line } from "./line.ts";
import {
  attachedMessage,
  execResultMessage,
  openedExecMessage,
  parseMessage,
  resizedMessage,
} from "./messages.ts";

/** Resolves when the process runs. The signal ends the start and, afterwards, releases the process. */
export async function startExec(
  line: Line,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<GuestProcess> {
  const tty = request.tty !== undefined;
  const stdin = request.stdin || tty; // a terminal always has a keyboard
  const message = execMessage(request, stdin);
  const stream = new GuestStream(
    line,
    { message, opened: openedExecMessage, ...processPlan },
    signal,
  );
  const { notExecuted, ...opened } = await stream.opened;
  if (!stdin) stream.refuseInput(inputRefusal("was not requested"));
  const facts = { ...opened, tty, stdin, offset: 0, prelude: "" };
  return asProcess(stream, {
    ...facts,
    notExecuted: notExecuted && { ...notExecuted, reason: printable(notExecuted.reason) },
  });
}

/** Resolves when the session is attached. The signal ends the attempt and, afterwards, detaches. */
export async function attachSession(
  line: Line,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<AttachedSession> {
  const { session, mode, ifDetached, from, tty, resized } = request;
  const sizes = resized && true;
  const message = { kind: "attach", session, mode, if_detached: ifDetached, from, tty, sizes };
  const plan = { message, opened: attachedMessage, ...processPlan, ...takesSizes(resized) };
  const stream = new GuestStream(line, plan, signal);
  const attached = await stream.opened;
  const isReadOnly = mode === "watch";
  if (isReadOnly) stream.refuseInput(inputRefusal("is read-only with mode watch"));
  else if (!attached.stdin) stream.refuseInput(inputRefusal("was not requested"));
  return asProcess(stream, { ...attached, log: logPathOf(attached.session) }, isReadOnly);
}

/** With SIG, as the guest expects it. */
export function signalName(name: string): string {
  return name.startsWith("SIG") ? name : `SIG${name}`;
}

const inputEnds = {
  ended: "is closed: the process has ended",
  released: "was released",
  closed: "was closed",
} as const;

const processPlan: Omit<StreamPlan<unknown, ExecResult>, "message" | "opened"> = {
  hasOutput: true,
  result: execResultMessage,
  released: { exitCode: -1, reason: "lost" },
  refusal: (end) => inputRefusal(inputEnds[end]),
};

type Facts = Pick<
  AttachedSession,
  "session" | "pid" | "log" | "outputFile" | "notExecuted" | "tty" | "stdin" | "offset" | "prelude"
>;

function asProcess<Opened>(
  stream: GuestStream<Opened, ExecResult>,
  facts: Facts,
  isReadOnly = false,
): AttachedSession {
  const control = (message: object) => isReadOnly || stream.control(message);
  return {
    ...facts,
    result: stream.result,
    write: (data) => stream.write(data),
    closeStdin: () => stream.endInput(),
    resize: ({ rows, cols }) => void control({ type: "resize", rows, cols }),
    signal: (name) => void control({ type: "signal", signal: signalName(name) }),
    release: () => stream.release(),
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
  };
}

function takesSizes(resized: AttachRequest["resized"]) {
  if (!resized) return {};
  const sizes = new Allowance("sizes of its terminal");
  const onControl = (payload: Uint8Array) => {
    sizes.take();
    const { rows, cols } = parseMessage(resizedMessage, "control", payload);
    resized({ rows, cols });
  };
  return { onControl };
}

function execMessage(request: ExecRequest, stdin: boolean) {
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

function inputRefusal(why: string): BhattiError {
  return new BhattiError("bad_request", `Cannot write to the process: stdin ${why}`);
}
