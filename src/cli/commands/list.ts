/** `bhatti list`: the sandboxes of this key. */
import { choice, pairs } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { ReceivedSandbox } from "../terminal/created.ts";
import { type Column, table } from "../terminal/table.ts";

export const list = command({
  description:
    "THERMAL is the power state:\n" +
    "  hot    running\n" +
    "  warm   paused in memory; resumes in milliseconds\n" +
    "  cold   suspended to disk, including processes and memory\n" +
    "Using a warm, cold or stopped sandbox wakes it. An idle one becomes warm, then cold, unless --keep-hot of create " +
    "or edit is set. Attached clients, running commands of exec, 5 % CPU and 1 kB/s of network traffic count as activity; a server in a " +
    "detached shell or session that waits for requests does not.",
  arguments: [],
  flags: {
    output: choice("Output format; wide adds columns", ["wide"], {
      short: "o",
      hint: "For JSON, use --json",
    }),
    label: pairs("Show only sandboxes with this label (repeatable)"),
  },
  examples: ["bhatti list", "bhatti ls -o wide", "bhatti ls --label team=web --json"],
  async run(context, { output, label }) {
    const client = await context.client();
    const labels = Object.entries(label ?? {}).map(([key, value]) => `${key}=${value}`);
    const query = labels.length > 0 ? { label: labels } : {};
    const { result } = await client.call("sandbox.list", { query });
    await context.result(result.map(summary), () => {
      if (result.length === 0) return "";
      if (output === "wide") return table(wide, result);
      return table(
        result.some((sandbox) => sandbox.urls?.length) ? [...plain, url] : plain,
        result,
      );
    });
    if (result.length === 0 && !context.flags.json) await context.remark("No sandboxes");
  },
});

function summary(sandbox: ReceivedSandbox) {
  const { id, name, status, thermal, ip, urls, cpus, memory_mb, disk_size_mb, image } = sandbox;
  const { labels } = sandbox;
  const given = labels && Object.keys(labels).length > 0 ? { labels } : {};
  return { id, name, status, thermal, ip, urls, cpus, memory_mb, disk_size_mb, image, ...given };
}

const url: Column<ReceivedSandbox> = ["URL", 0, (sandbox) => sandbox.urls?.[0] ?? ""];

const plain: Column<ReceivedSandbox>[] = [
  ["NAME", 20, (sandbox) => sandbox.name ?? "-"],
  ["STATUS", 10, (sandbox) => sandbox.status ?? "-"],
  ["THERMAL", 8, (sandbox) => sandbox.thermal ?? "-"],
  ["IP", 16, (sandbox) => sandbox.ip || "-"],
];

const wide: Column<ReceivedSandbox>[] = [
  ...plain,
  ["CPUS", 5, (sandbox) => String(sandbox.cpus ?? "-")],
  ["MEMORY", 8, (sandbox) => (sandbox.memory_mb ? `${sandbox.memory_mb}MB` : "-")],
  ["DISK", 8, (sandbox) => (sandbox.disk_size_mb ? `${sandbox.disk_size_mb}MB` : "-")],
  ["IMAGE", 12, (sandbox) => sandbox.image || "minimal"],
  ["LABELS", 0, (sandbox) => labelList(sandbox.labels ?? {})],
];

export function labelList(labels: NonNullable<ReceivedSandbox["labels"]>): string {
  const sorted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return sorted.sort().join(",") || "-";
}
