/** `bhatti exec --detach`: started, and left to itself. */
import type { Input } from "../../contract/all.ts";
import type { Context } from "../context.ts";
import { withNames } from "../names.ts";

export async function runDetached(
  context: Context,
  ref: string,
  command: Input<"exec.run">["body"],
): Promise<number> {
  const client = await context.client();
  const body = { ...command, detach: true };
  const { result } = await client.call("exec.run", { params: { ref }, body });
  if (result.warning) await context.remark(`Warning: ${result.warning}`);
  if ("detached" in result && result.exit_code) {
    if (context.flags.json) await context.result(result, () => "");
    else await context.remark(`bhatti: ${result.error}`);
    return result.exit_code;
  }
  const { pid = "-", output_file = "-", session_id = undefined } = "pid" in result ? result : {};
  await context.result(result, () => `pid: ${pid}\noutput: ${output_file}\n`);
  if (session_id === undefined || context.flags.json) return 0;
  context.names.set("session", session_id);
  // On stderr: scripts of the original parse the two lines.
  await context.remark(
    `session ${session_id}\n${withNames("Follow: bhatti logs <sandbox> <session> -f", context.names)}`,
  );
  return 0;
}
