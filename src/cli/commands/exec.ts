/** `bhatti exec`: a command in a sandbox, as if it ran here: streams byte for byte, signals, and its exit code. */
import type { ExecStart } from "../../contract/exec.ts";
import {
  defaultExecTimeoutSeconds,
  maximumExecTimeoutSeconds,
  usualTerminalSize,
} from "../../contract/exec-limits.ts";
import { timeLimit } from "../arguments/duration.ts";
import { environment, withLocalValues } from "../arguments/environment.ts";
import { choice, text, toggle } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import { checkErrorExitCode, errorExitCode, errorExitCodeOf } from "../exec/error-exit-code.ts";
import { runCommand } from "../exec/run-command.ts";
import { openSink } from "../exec/sink.ts";
import { UsageError } from "../usage-error.ts";

export const exec = command({
  description:
    "Runs the command as user lohar in /workspace, and exits with its exit code. Starts the sandbox if needed. " +
    "Put -- before a command that has flags.\n" +
    "With -t, --detach or --session the command runs as a session: it survives a lost connection, and " +
    "SIGTERM or SIGHUP to this client. See bhatti ps, attach, logs and kill.\n" +
    "Other signals and all keys are forwarded to the command, including Ctrl+\\; to detach from a shell, use bhatti shell.",
  arguments: ["sandbox"],
  rest: "command",
  restIsCommand: true,
  byteArguments: ["command"],
  flags: {
    timeout: timeLimit(
      `Kill the command after this time, such as 90, 90s, 5m or 2h (default ${defaultExecTimeoutSeconds}; no limit with -t, -d, --session)`,
      { max: maximumExecTimeoutSeconds },
    ),
    workdir: text("Working directory, absolute or below /workspace (default /workspace)", {
      short: "w",
      placeholder: "path",
    }),
    env: environment("Set environment variables", { short: "e" }),
    user: choice("User to run as (default lohar)", ["lohar", "root"], { short: "u" }),
    detach: toggle("Run in the background; print the PID, the log path and the session", {
      short: "d",
    }),
    session: toggle("Keep the command and its stdin open after this client exits"),
    tty: toggle("Allocate a terminal", { short: "t" }),
    interactive: toggle("Forward stdin from a terminal (always on for pipes, files and -t)", {
      short: "i",
    }),
    "no-stdin": toggle("Do not forward stdin", { short: "n" }),
    "error-exit-code": errorExitCode,
  },
  examples: [
    "bhatti exec dev -- echo hello",
    "bhatti exec dev -- bash -c 'echo $HOME'",
    "tar c . | bhatti exec dev -- tar x",
    "bhatti exec -it dev bash",
    "bhatti exec -u root -w /etc -e LANG=C dev -- ls -la",
    "bhatti exec dev --detach -- make all",
  ],
  failureExitCode: errorExitCodeOf,
  async run(context, input) {
    checkErrorExitCode(context.system.env);
    refuseTogether({ ...input, json: context.flags.json });
    const command = {
      cmd: input.command,
      ...given("timeout_sec", input.timeout),
      ...given("env", await withLocalValues(input.env, context.system.env)),
      ...given("workdir", input.workdir && absolute(input.workdir)),
      ...given("user", input.user),
    };
    if (input.detach) {
      const { runDetached } = await import("../exec/run-detached.ts");
      return await runDetached(context, input.sandbox, command);
    }
    const stdin = input["no-stdin"] ? "nothing" : await context.system.stdin.kind();
    const forwards = stdin === "terminal" ? input.tty || input.interactive : stdin !== "nothing";
    const start: ExecStart = {
      ...command,
      ...(input.session && { session: true }),
      ...(forwards && { stdin: true }),
    };
    const { sandbox } = input;
    if (input.tty) {
      const { followSession } = await import("../session/follow.ts");
      const tty = context.system.terminal.size() ?? usualTerminalSize;
      // A terminal whose stdin has nothing to give gets ^D.
      const atEnd = !forwards && !input["no-stdin"];
      return await followSession(context, { sandbox, start: { ...start, tty }, stdin, atEnd });
    }
    const sink = await openSink(
      context,
      context.system.env["BHATTI_FORCE_STREAM"] === "1",
      input.command,
    );
    return await runCommand(context, { sandbox, start, sink });
  },
});

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/workspace/${path}`;
}

/** Pairs of flags that cannot be used together. */
const exclusive = [
  ["tty", "json"],
  ["interactive", "no-stdin"],
  ["detach", "tty"],
  ["detach", "session"],
] as const;

function refuseTogether(flags: Record<(typeof exclusive)[number][number], boolean>): void {
  const pair = exclusive.find(([one, other]) => flags[one] && flags[other]);
  if (pair) throw new UsageError(`--${pair[0]} and --${pair[1]} cannot be used together`);
}
