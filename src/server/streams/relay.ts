/** A process's output to a client, at the client's pace, until one of them ends. */
import type { ExecResult, RunningCommand } from "../../services/exec.ts";
import type { SocketConnection } from "./socket-connection.ts";

/** Gives its outcome when all of its output was sent; undefined when the client went away, which lets go of it. */
export async function relay(
  connection: SocketConnection,
  command: RunningCommand,
  send: (chunk: Uint8Array) => Promise<void>,
): Promise<ExecResult | undefined> {
  const { over } = connection;
  const release = () => command.release();
  over.addEventListener("abort", release, { once: true });
  try {
    if (over.aborted) release();
    for await (const { chunk } of command) {
      await send(chunk);
      if (over.aborted) return undefined;
    }
    const result = await command.result;
    return over.aborted ? undefined : result;
  } finally {
    over.removeEventListener("abort", release);
  }
}
