/** `bhatti shell`, `attach`, `ps`, `kill` and `logs`: what goes on in a sandbox without anybody having to watch. */
import { usualTerminalSize } from "../../contract/exec-limits.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { text, toggle, whole } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../usage-error.ts";

export const shell = command({
  description:
    "Goes back to the newest shell that nobody is in, with what was on its screen, or starts one. Its exit code is the\n" +
    "exit code of bhatti shell. Ctrl+\\ leaves it, and it goes on; a lost connection is made again by itself.\n" +
    "Where stdin is no terminal, a login shell without a terminal reads it, and ends with it.\n" +
    "-i and -t change nothing. As somebody else or elsewhere, a shell is a command: bhatti exec -it -u root <sandbox> bash.",
  arguments: ["sandbox"],
  flags: {
    new: toggle("Start a new shell, even if there is one to go back to"),
    interactive: toggle("As it is anyway", { short: "i", hidden: true }),
    tty: toggle("As it is anyway", { short: "t", hidden: true }),
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
      throw new BhattiError("bad_usage", "a shell needs a terminal, and stdout is none", {
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
    "What is kept of its output comes first, then what it goes on to say. Whoever has it loses it, unless you only watch.\n" +
    "Its exit code is the exit code of bhatti attach; one that has ended tells it again.\n" +
    "Ctrl+\\ leaves it, and it goes on. The end of stdin ends nothing: its own stdin stays open. A lost connection is made\n" +
    "again by itself, unless stdin is a pipe that has given something: then part of that may be lost, and bhatti says so.",
  arguments: ["sandbox", "session"],
  flags: {
    watch: toggle("Only look on: whoever has it keeps it"),
    "no-stdin": toggle("Forward nothing on stdin", { short: "n" }),
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
  description: "It never wakes the sandbox: of one that sleeps it lists what it had.",
  arguments: ["sandbox"],
  flags: { all: toggle("Also those that have ended: the last 32", { short: "a" }) },
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
    await context.remark(`As of ${since(Date.parse(asOf) / 1000)} ago: the sandbox sleeps`);
    return undefined;
  },
});

export const kill = command({
  arguments: ["sandbox", "session"],
  flags: {
    signal: text("Send this signal instead of KILL", { short: "s", placeholder: "name" }),
  },
  examples: ["bhatti kill dev sess-7b3c", "bhatti kill dev sess-7b3c --signal TERM"],
  async run(context, { sandbox: ref, session, signal }) {
    const client = await context.client();
    const { result } = await client.call("session.kill", {
      params: { ref, session },
      body: signal === undefined ? {} : { signal: signal.toUpperCase() },
    });
    const name = result.signal.replace(/^(SIG)?/, "SIG");
    const done = name === "SIGKILL" ? "killed" : `signalled (${name})`;
    await context.result(result, () => `session/${result.session_id} ${done}\n`);
  },
});

export const logs = command({
  description:
    "All that a session has written, byte for byte, up to 20 MB; also of one that has ended, or was before a reboot.\n" +
    "With --follow, a lost connection is made again by itself, where it was.",
  arguments: ["sandbox", "session"],
  flags: {
    follow: toggle("Go on until it ends", { short: "f" }),
    tail: whole("Only the last so many lines", { placeholder: "lines", min: 0, max: 1_000_000 }),
    bytes: whole("Only the last so many bytes", { min: 0, max: 999_999_999_999 }),
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
