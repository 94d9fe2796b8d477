/** The guest agent, which lies inside our own binary. */
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import agentPath from "../../../guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar" with {
  type: "file",
};

export async function agentBytes(): Promise<Uint8Array> {
  return new Uint8Array(await Bun.file(agentPath).arrayBuffer());
}

/** A copy that this host can run: the agent is also our tool for what JavaScript cannot measure. */
export async function extractAgent(directory: string): Promise<string> {
  const path = join(directory, "lohar");
  await writeFile(path, await agentBytes());
  await chmod(path, 0o755);
  return path;
}
