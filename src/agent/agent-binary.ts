/** The guest agent, which lies inside our own binary. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import agentPath from "../../guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar" with {
  type: "file",
};
import { writeAtomically } from "../host/atomic-file.ts";

export async function agentBytes(): Promise<Uint8Array> {
  return new Uint8Array(await Bun.file(agentPath).arrayBuffer());
}

/**
 * The agent as a program that this host can run, as it is also our tool for what JavaScript cannot do: a copy in the
 * directory, or, when this runs from source, the file itself.
 */
export async function extractAgent(directory: string): Promise<string> {
  if (Bun.embeddedFiles.length === 0) return agentPath;
  const bytes = await agentBytes();
  const digest = createHash("sha256").update(bytes).digest("hex");
  const path = join(directory, `lohar-${digest.slice(0, 16)}`);
  if (!existsSync(path)) await writeAtomically(path, bytes, { mode: 0o755 });
  return path;
}
