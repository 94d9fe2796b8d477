/** `bhatti shell dev < script.sh`: a login shell without a terminal, as ssh has it. */
import { maximumExecTimeoutSeconds } from "../../contract/exec-limits.ts";
import { loginShell } from "../../contract/login-shell.ts";
import type { Context } from "../context.ts";
import { runCommand } from "../exec/run-command.ts";
import { openSink } from "../exec/sink.ts";
import type { StdinKind } from "../system.ts";

export async function runLoginShell(
  context: Context,
  sandbox: string,
  stdin: StdinKind,
): Promise<number> {
  return await runCommand(context, {
    sandbox,
    start: {
      cmd: loginShell,
      timeout_sec: maximumExecTimeoutSeconds,
      ...(stdin !== "nothing" && { stdin: true }),
    },
    sink: await openSink(context, false),
  });
}
