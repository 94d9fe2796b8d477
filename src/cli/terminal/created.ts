/** Text of `create` and `snapshot resume` for a new sandbox. */
import type { Received } from "../../client/answer.ts";
import type { Sandbox } from "../../contract/sandboxes.ts";

export type ReceivedSandbox = Received<Sandbox>;

export function created({ name, ip, ...sandbox }: ReceivedSandbox): string {
  const { cpus = "-", memory_mb = "-", disk_size_mb } = sandbox;
  const disk = disk_size_mb ? `, ${disk_size_mb} MB disk` : "";
  const lines = [`sandbox/${name ?? "-"} created (${cpus} vCPU, ${memory_mb} MB${disk})`];
  if (ip) lines.push(`  IP: ${ip}`);
  if (name !== undefined) lines.push(`  Shell: bhatti shell ${name}`);
  return `${lines.join("\n")}\n`;
}
