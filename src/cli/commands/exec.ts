/** `bhatti exec`: a command in a sandbox, as if it ran here: streams byte for byte, signals, and its exit code. */
import { ExecStream } from "../../client/exec-stream.ts";
import type { ExecStart } from "../../contract/exec.ts";
import {
  defaultExecTimeoutSeconds,
  maximumExecTimeoutSeconds,
} from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { pairs, text, toggle, whole } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import type { ExecSink } from "../exec/exec-sink.ts";
import { exitCodeOf } from "../exec/exit-code.ts";
import { forwardSignals } from "../exec/signals.ts";
import { openSink } from "../exec/sink.ts";
import { forwardStdin } from "../exec/stdin.ts";
import { OutputClosed } from "../system.ts";

export const exec = command({
  description:
    "The command runs as user lohar in /workspace. Its exit code is the exit code of bhatti exec.\n" +
    "Put -- before a command that has flags of its own.",
  arguments: ["sandbox"],
  rest: "command",
  flags: {
    timeout: whole(
      `Kill the command after this many seconds (default ${defaultExecTimeoutSeconds})`,
      {
        placeholder: "seconds",
        min: 1,
        max: maximumExecTimeoutSeconds,
        unit: "seconds",
      },
    ),
    workdir: text("Directory to run it in (default /workspace)", { placeholder: "path" }),
    env: pairs("Its environment; can be repeated", { placeholder: "KEY=VALUE,..." }),
    tty: toggle("Allocate a terminal", { short: "t" }),
    "no-stdin": toggle("Forward nothing on stdin", { short: "n" }),
  },
  examples: [
    "bhatti exec dev -- echo hello",
    "bhatti exec dev -- bash -c 'echo $HOME'",
    "tar c . | bhatti exec dev -- tar x",
    "bhatti exec dev -t -- bash",
  ],
  async run(context, input) {
    const { json } = context.flags;
    if (json && input.tty)
      throw new BhattiError("bad_usage", "--tty and --json exclude each other");
    const stdin = input["no-stdin"] ? "nothing" : await context.system.stdin.kind();
    const forwards = stdin === "pipe" || stdin === "file" || (input.tty && stdin === "terminal");
    const start: ExecStart = {
      cmd: input.command,
      ...(input.timeout !== undefined && { timeout_sec: input.timeout }),
      ...(input.env && { env: input.env }),
      ...(input.workdir !== undefined && { workdir: input.workdir }),
      ...(forwards && { stdin: true }),
      ...(input.tty && { tty: context.system.terminal.size() ?? { rows: 24, cols: 80 } }),
    };
    const sink = await openSink(context, context.system.env["BHATTI_FORCE_STREAM"] === "1");
    // A terminal whose stdin has nothing to give ends it as somebody who types ^D does.
    const atEnd = input.tty && !forwards && !input["no-stdin"];
    const { sandbox } = input;
    return await runCommand(context, {
      sandbox,
      start,
      sink,
      onTerminal: stdin === "terminal",
      atEnd,
    });
  },
});

interface Plan {
  sandbox: string;
  start: ExecStart;
  sink: ExecSink;
  onTerminal: boolean;
  /** Its stdin is at its end before anything is typed. */
  atEnd: boolean;
}

async function runCommand(context: Context, plan: Plan): Promise<number> {
  const { start, sink, onTerminal } = plan;
  const { system, timing } = context;
  const client = await context.client();
  const interrupted = new AbortController();
  using signals = forwardSignals(system, () => interrupted.abort());
  const stream = await ExecStream.open(client, plan.sandbox, start, interrupted.signal);
  using raw = start.tty && start.stdin && onTerminal ? system.terminal.raw() : undefined;
  signals.restore = () => raw?.[Symbol.dispose]();
  using _stdin = start.stdin ? forwardStdin(system.stdin, stream) : undefined;
  using _resize = start.tty ? followSize(system, stream) : undefined;
  try {
    for await (const event of stream.events()) {
      timing?.firstByte();
      // Before this there is nobody to tell: a signal ends us.
      if (event.type === "session") {
        signals.attach(stream);
        if (plan.atEnd) stream.control({ type: "stdin_end" });
      }
      const exitCode = event.type === "exit" ? exitCodeOf(event) : undefined;
      await sink.take(event).catch((error: unknown) => {
        // as the kernel does to a local program that writes where nobody reads
        if (error instanceof OutputClosed) stream.control({ type: "signal", signal: "PIPE" });
        throw error;
      });
      if (exitCode !== undefined) return exitCode;
    }
  } finally {
    timing?.end();
    stream.close();
  }
  throw new BhattiError("connection_lost", "the command's end was never told");
}

function followSize(system: Context["system"], stream: ExecStream): Disposable {
  return system.onSignal("SIGWINCH", () => {
    const size = system.terminal.size();
    if (size) stream.control({ type: "resize", ...size });
  });
}
