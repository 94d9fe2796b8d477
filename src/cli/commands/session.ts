/** `bhatti shell`, `attach`, `ps`, `kill` and `logs`. */
import { usualTerminalSize } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { text, toggle, whole } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { forEach } from "../for-each.ts";
import { UsageError } from "../usage-error.ts";

export const shell = command({
  description:
    "Reattaches to the newest detached shell and restores its screen, or starts a shell. Exits with its exit code. " +
    "Ctrl+\\ detaches and leaves the shell running. Reconnects after a lost connection.\n" +
    "If stdin is not a terminal, a login shell reads commands from it and exits at its end.\n" +
    "For another user or directory, use exec: bhatti exec -it -u root <sandbox> bash",
  arguments: ["sandbox"],
  flags: {
    new: toggle("Start a new shell instead of reattaching"),
    interactive: toggle("Always on", { short: "i", hidden: true }),
    tty: toggle("Always on", { short: "t", hidden: true }),
  },
  examples: ["bhatti shell dev", "bhatti shell dev --new", "bhatti shell dev < script.sh"],
  async run(context, { sandbox, new: isNew }) {
    refuseJson(context, "shell");
    const stdin = await context.system.stdin.kind();
    if (stdin !== "terminal") {
      const { runLoginShell } = await import("../session/login-shell.ts");
      return await runLoginShell(context, sandbox, stdin);
    }
    const tty = context.system.terminal.size();
    if (!tty && !(await context.system.terminal.isOutput())) {
      throw new BhattiError("bad_usage", "shell requires a terminal, but stdout is not one", {
        hint: `Run a command instead: bhatti exec ${sandbox} -- <command...>`,
      });
    }
    const { followSession } = await import("../session/follow.ts");
    return await followSession(context, {
      sandbox,
      start: { shell: isNew ? "new" : "reattach", tty: tty ?? usualTerminalSize },
      stdin,
    });
  },
});

export const attach = command({
  description:
    "Replays buffered output, then streams live. Detaches the current client unless --watch is given. Exits with the " +
    "session's exit code, also for a session that has ended.\n" +
    "Ctrl+\\ detaches and leaves the session running; end of file on stdin does not close the session's stdin. " +
    "Reconnects after a lost connection, unless input from a pipe may have been lost with it.",
  arguments: ["sandbox", "session"],
  flags: {
    watch: toggle("Watch the output; do not take control"),
    "no-stdin": toggle("Do not forward stdin", { short: "n" }),
  },
  examples: ["bhatti attach dev sess-7b3c", "bhatti attach dev init --watch"],
  async run(context, { sandbox, session, watch, "no-stdin": noStdin }) {
    refuseJson(context, "attach");
    const stdin = await context.system.stdin.kind();
    const tty = stdin === "terminal" && !watch ? context.system.terminal.size() : undefined;
    const { followSession } = await import("../session/follow.ts");
    return await followSession(context, {
      sandbox,
      start: { attach: session, mode: watch ? "watch" : "control", ...(tty && { tty }) },
      stdin: noStdin ? "nothing" : stdin,
    });
  },
});

export const ps = command({
  description:
    "Lists shells, background commands and the init script. Never wakes the sandbox: for a suspended one, lists the " +
    "sessions at the time of suspension.",
  arguments: ["sandbox"],
  flags: { all: toggle("Include the last 32 ended sessions", { short: "a" }) },
  examples: ["bhatti ps dev", "bhatti ps dev --all", "bhatti ps dev --json"],
  async run(context, { sandbox: ref, all }) {
    const client = await context.client();
    const query = all ? { all: "true" as const } : {};
    const { result, headers } = await client.call("session.list", { params: { ref }, query });
    if (context.flags.json || result.length > 0) {
      const { sessionTable } = await import("../session/session-table.ts");
      await context.result(result, () => sessionTable(result, all));
    } else await context.remark("No sessions");
    const asOf = headers.get("x-bhatti-as-of");
    if (!asOf) return undefined;
    const { since } = await import("../terminal/moment.ts");
    await context.remark(`As of ${since(Date.parse(asOf) / 1000)} ago: the sandbox is suspended`);
    return undefined;
  },
});

export const kill = command({
  arguments: ["sandbox"],
  rest: "session",
  flags: {
    signal: text("Signal to send (default KILL)", { short: "s", placeholder: "name" }),
  },
  examples: ["bhatti kill dev sess-7b3c", "bhatti kill dev sess-7b3c --signal TERM"],
  async run(context, { sandbox: ref, session: names, signal }) {
    const client = await context.client();
    return await forEach(context, { word: "session", names }, async (session) => {
      const { result } = await client.call("session.kill", {
        params: { ref, session },
        body: signal === undefined ? {} : { signal: signal.toUpperCase() },
      });
      const { session_id = session, signal: sent = signal ?? "KILL" } = result;
      const name = sent.toUpperCase().replace(/^(SIG)?/, "SIG");
      const done = name === "SIGKILL" ? "killed" : `signalled (${name})`;
      return { value: result, text: `session/${session_id} ${done}\n` };
    });
  },
});

export const logs = command({
  description:
    "Prints the last 20 MB of output, byte for byte, also for sessions that have ended or predate a reboot. " +
    "With --follow, resumes at the same byte after a lost connection.",
  arguments: ["sandbox", "session"],
  flags: {
    follow: toggle("Follow the output until the session ends", { short: "f" }),
    tail: whole("Number of lines to show from the end", {
      placeholder: "lines",
      min: 0,
      max: 1_000_000,
    }),
    bytes: whole("Number of bytes to show from the end", { min: 0, max: 999_999_999_999 }),
  },
  examples: ["bhatti logs dev init", "bhatti logs dev sess-7b3c --tail 20 -f"],
  async run(context, { sandbox, session, follow, tail, bytes }) {
    refuseJson(context, "logs");
    if (tail !== undefined && bytes !== undefined) {
      throw new UsageError("--tail and --bytes cannot be used together");
    }
    const { printLog } = await import("../session/print-log.ts");
    await printLog(context, { ref: sandbox, session }, { follow, tail, bytes });
    return undefined;
  },
});

function refuseJson({ flags }: Context, name: string): void {
  if (!flags.json) return;
  throw new UsageError(`--json cannot be used with bhatti ${name}, which prints raw bytes`);
}
