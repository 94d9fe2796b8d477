/** A command in a sandbox on our own streams, to its end. */
import { ExecStream, type SessionEvent } from "../../client/exec-stream.ts";
import type { ExecStart } from "../../contract/exec.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import type { Screen } from "../session/screen.ts";
import { OutputClosed, type StdinKind } from "../system.ts";
import type { ExecSink } from "./exec-sink.ts";
import { exitCodeOf } from "./exit-code.ts";
import { forwardSignals, type SignalForwarding } from "./signals.ts";
import { forwardStdin } from "./stdin.ts";

export interface CommandPlan {
  sandbox: string;
  start: ExecStart;
  sink: ExecSink;
  stdin: StdinKind;
  /** Its stdin is at its end before anything is typed. */
  atEnd: boolean;
}

export async function runCommand(context: Context, plan: CommandPlan): Promise<number> {
  const { start } = plan;
  const { system, timing } = context;
  const client = await context.client();
  const interrupted = new AbortController();
  using signals = forwardSignals(system, () => interrupted.abort());
  using stream = await ExecStream.open(client, plan.sandbox, start, {
    signal: interrupted.signal,
    onSent: () => system.stdout.prepare(),
  });
  const isRaw = start.tty && start.stdin && plan.stdin === "terminal";
  const screen = isRaw ? await enterScreen(context) : undefined;
  signals.restore = () => screen?.restore();
  const stdinEnded = () => {
    if (isRaw) signals.hangUp();
    else if (!start.session) stream.control({ type: "stdin_end" });
  };
  using _stdin = start.stdin ? forwardStdin(system.stdin, stream, stdinEnded) : undefined;
  using _resize = start.tty ? followSize(system, stream) : undefined;
  let midway = true;
  try {
    const exitCode = await passOn(context, plan, { stream, signals, screen });
    midway = false;
    return exitCode;
  } finally {
    timing?.end();
    stream.close();
    await screen?.leave(midway);
  }
}

interface Running {
  stream: ExecStream;
  signals: SignalForwarding;
  screen: Screen | undefined;
}

/** All that the command says, to its end. */
async function passOn(
  context: Context,
  plan: CommandPlan,
  { stream, signals, screen }: Running,
): Promise<number> {
  let session: SessionEvent | undefined;
  try {
    for await (const event of stream.events()) {
      context.timing?.firstByte();
      if (event.type === "stdout") screen?.note(event.data);
      if (event.type === "session") {
        session = event;
        context.names.set("session", event.session_id);
        // Before this there is nobody to tell: a signal ends us.
        signals.attach(stream, isKept(plan) ? () => sayWhere(context, plan, event) : undefined);
        await begun(context, plan, stream, event);
      }
      const exitCode = event.type === "exit" ? exitCodeOf(event) : undefined;
      await plan.sink.take(event).catch((error: unknown) => {
        throw toldOf(error, stream);
      });
      if (exitCode !== undefined) return exitCode;
    }
  } catch (error) {
    throw isBhattiError(error, "connection_lost") ? goesOn(error, plan, session) : error;
  }
  throw new BhattiError(
    "connection_lost",
    "the connection closed before the command's exit code arrived",
  );
}

async function begun(
  context: Context,
  { start, atEnd }: CommandPlan,
  stream: ExecStream,
  session: SessionEvent,
): Promise<void> {
  if (atEnd) stream.control({ type: "stdin_end" });
  if (start.session) await context.remark(`session ${session.session_id}`);
}

/** As the kernel does to a local program that writes where nobody reads. */
function toldOf(error: unknown, stream: ExecStream): unknown {
  if (error instanceof OutputClosed) stream.control({ type: "signal", signal: "PIPE" });
  return error;
}

async function enterScreen(context: Context) {
  const { Screen } = await import("../session/screen.ts");
  const screen = new Screen(context);
  screen.enter();
  return screen;
}

/** It does not end with its client. */
function isKept({ start }: CommandPlan): boolean {
  return start.tty !== undefined || start.session === true;
}

function sayWhere({ remark }: Context, { sandbox }: CommandPlan, { session_id: id }: SessionEvent) {
  return remark(`detached from ${id}. Reattach: bhatti attach ${sandbox} ${id}`);
}

function goesOn(
  error: BhattiError,
  plan: CommandPlan,
  session: SessionEvent | undefined,
): BhattiError {
  if (!session || !isKept(plan)) return error;
  const id = session.session_id;
  return new BhattiError(
    "connection_lost",
    `lost the connection to the daemon; the command keeps running as session ${id}`,
    { cause: error, hint: `Reattach: bhatti attach ${plan.sandbox} ${id}` },
  );
}

function followSize(system: Context["system"], stream: ExecStream): Disposable {
  return system.onSignal("SIGWINCH", () => {
    const size = system.terminal.size();
    if (size) stream.control({ type: "resize", ...size });
  });
}
