/** Runs a command without a terminal on our streams, to its end. */
import { ExecStream, type SessionEvent } from "../../client/exec-stream.ts";
import type { ExecStart } from "../../contract/exec.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import type { Context } from "../context.ts";
import { OutputClosed } from "../system.ts";
import type { ExecSink } from "./exec-sink.ts";
import { exitCodeOf } from "./exit-code.ts";
import { forwardSignals, type SignalForwarding } from "./signals.ts";
import { forwardStdin } from "./stdin.ts";

interface CommandPlan {
  sandbox: string;
  start: ExecStart;
  sink: ExecSink;
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
  const stdinEnded = () => {
    if (!start.session) stream.control({ type: "stdin_end" });
  };
  using _stdin = start.stdin ? forwardStdin(system.stdin, stream, stdinEnded) : undefined;
  try {
    return await passOn(context, plan, stream, signals);
  } finally {
    timing?.end();
    stream.close();
  }
}

/** Passes on all output; returns the exit code. */
async function passOn(
  context: Context,
  plan: CommandPlan,
  stream: ExecStream,
  signals: SignalForwarding,
): Promise<number> {
  let session: SessionEvent | undefined;
  try {
    for await (const event of stream.events()) {
      context.timing?.firstByte();
      if (event.type === "session") {
        session = event;
        await begin(context, plan, { stream, signals, session });
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

interface Begun {
  stream: ExecStream;
  signals: SignalForwarding;
  session: SessionEvent;
}

async function begin(
  context: Context,
  { sandbox, start }: CommandPlan,
  { stream, signals, session: { session_id: id } }: Begun,
): Promise<void> {
  context.names.set("session", id);
  const sayDetached = () =>
    context.remark(`detached from ${id}. Reattach: bhatti attach ${sandbox} ${id}`);
  signals.attach(stream, start.session ? sayDetached : undefined);
  if (start.session) await context.remark(`session ${id}`);
}

/** As the kernel does to a local program that writes to a closed pipe. */
function toldOf(error: unknown, stream: ExecStream): unknown {
  if (error instanceof OutputClosed) stream.control({ type: "signal", signal: "PIPE" });
  return error;
}

function goesOn(
  error: BhattiError,
  plan: CommandPlan,
  session: SessionEvent | undefined,
): BhattiError {
  if (!session || !plan.start.session) return error;
  const id = session.session_id;
  return new BhattiError(
    "connection_lost",
    `lost the connection to the daemon; the command keeps running as session ${id}`,
    { cause: error, hint: `Reattach: bhatti attach ${plan.sandbox} ${id}` },
  );
}
