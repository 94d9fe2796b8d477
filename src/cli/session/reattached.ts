/** Describes the session that a client reattaches to. */
import type { SessionEvent } from "../../client/exec-stream.ts";
import type { Context } from "../context.ts";
import { since } from "../terminal/moment.ts";
import { shortened } from "./session-table.ts";

/** Longer than that, it is not worth the wait. */
const patienceMs = 1000;

/** `reattached to sess-7b3c (login shell, since 5 min)`. */
export async function describeReattached(
  context: Context,
  ref: string,
  { session_id }: SessionEvent,
): Promise<string> {
  const client = await context.client();
  const input = { params: { ref }, query: {} };
  const answer = await client.call("session.list", input, patienceMs).catch(() => undefined);
  const session = answer?.result.find((one) => one.session_id === session_id);
  const { argv, created_at } = session ?? {};
  if (argv === undefined || created_at === undefined) return `reattached to ${session_id}`;
  return `reattached to ${session_id} (${shortened(argv)}, since ${since(created_at)})`;
}
