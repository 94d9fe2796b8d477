/** What the daemon did that was not quite what was asked for. */
import type { Context } from "../context.ts";

/** Such as that a sandbox runs, but without the memory that it had. */
export async function warn(context: Context, headers: Headers): Promise<void> {
  const warning = headers.get("x-bhatti-warning");
  if (warning) await context.remark(`Warning: ${warning}`);
}
