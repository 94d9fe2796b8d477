/** `bhatti exec --detach`: started, and left to itself. */
import type { Input } from "../../contract/all.ts";
import type { Context } from "../context.ts";

export async function runDetached(
  context: Context,
  ref: string,
  command: Input<"exec.run">["body"],
): Promise<void> {
  const client = await context.client();
  const body = { ...command, detach: true };
  const { result } = await client.call("exec.run", { params: { ref }, body });
  if (!("detached" in result)) return;
  if (result.warning) await context.remark(`Warning: ${result.warning}`);
  await context.result(result, () => `pid: ${result.pid}\noutput: ${result.output_file}\n`);
}
