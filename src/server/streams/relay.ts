/** A process's output to a client, at the client's pace, until one of them ends. */
import { releasedBy } from "../../async/pieces.ts";
import type { ExecResult, RunningCommand } from "../../services/running-command.ts";
import type { SocketConnection } from "./socket-connection.ts";

/** Gives its outcome when all of its output was sent; undefined when the client went away, which lets go of it. */
export async function relay(
  connection: SocketConnection,
  command: RunningCommand,
  send: (chunk: Uint8Array) => Promise<void>,
): Promise<ExecResult | undefined> {
  const { over } = connection;
  using _ = releasedBy(over, command);
  for await (const { chunk } of command) {
    await send(chunk);
    if (over.aborted) return undefined;
  }
  const result = await command.result;
  return over.aborted ? undefined : result;
}
