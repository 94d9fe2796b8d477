/** `bhatti inspect`: one sandbox in detail, from what the daemon knows; it never wakes anything. */

import { formatDuration } from "../../config/duration.ts";
import { command } from "../command.ts";
import { forEach } from "../for-each.ts";
import type { ReceivedSandbox } from "../terminal/created.ts";
import { describe, type Line } from "../terminal/describe.ts";
import { future, past, since, soon, withoutMilliseconds } from "../terminal/moment.ts";
import { labelList } from "./list.ts";

export const inspect = command({
  arguments: [],
  rest: "sandbox",
  flags: {},
  examples: ["bhatti inspect dev", "bhatti info dev --json"],
  async run(context, { sandbox: names }) {
    const client = await context.client();
    let before = "";
    return await forEach(context, { word: "sandbox", names }, async (ref) => {
      const { result } = await client.call("sandbox.get", { params: { ref } });
      const text = before + words(result);
      before = "\n";
      return { value: result, text };
    });
  },
});

function words(sandbox: ReceivedSandbox): string {
  return describe([
    { lines: state(sandbox) },
    { title: "Resources", lines: resources(sandbox) },
    {
      title: "Network",
      lines: [
        ["IP", sandbox.ip || "-"],
        ["Shared", sandbox.share && shareText(sandbox.share)],
      ],
    },
    { lines: [["Keep hot", sandbox.keep_hot ? "yes" : undefined]] },
  ]);
}

function state(sandbox: ReceivedSandbox): Line[] {
  const labels = sandbox.labels ?? {};
  const { reason, next } = sandbox.activity ?? {};
  const note = sandbox.engine_meta?.["reason"];
  const why = reason === undefined || reason === note ? "" : ` (${withoutMilliseconds(reason)})`;
  return [
    ["Name", sandbox.name],
    ["ID", sandbox.id],
    ["Status", sandbox.status],
    ["Reason", note],
    ["Thermal", sandbox.thermal && sandbox.thermal + why],
    ["Next", next?.at && `${next.thermal ?? ""} ${soon(next.at)}`],
    ["Idle warm", idle(sandbox.idle_warm_s)],
    ["Idle cold", idle(sandbox.idle_cold_s)],
    ["Expires", future(sandbox.expires_at)],
    ["Image", sandbox.image || "minimal"],
    ["Created", past(sandbox.created_at)],
    ["Stopped", past(sandbox.stopped_at)],
    ["Template", sandbox.template_id || undefined],
    ["Labels", Object.keys(labels).length > 0 ? labelList(labels) : undefined],
  ];
}

function resources({ cpus, memory_mb, disk_size_mb, usage, thermal }: ReceivedSandbox): Line[] {
  const { memory_used_mb, memory_free_mb, disk_used_mb, disk_free_mb, at } = usage ?? {};
  const age = thermal === "hot" && isRecent(at) ? undefined : ageText(at);
  return [
    ["CPUs", String(cpus ?? "-")],
    ["Memory", sizeText(memory_mb, memory_used_mb, memory_free_mb, age)],
    ["Disk", sizeText(disk_size_mb, disk_used_mb, disk_free_mb, age)],
  ];
}

/** `1024 MB (180 MB used, 844 MB free, 5 min ago)`. */
function sizeText(
  total: number | undefined,
  used: number | undefined,
  free: number | undefined,
  age: string | undefined,
): string {
  const size = total ? `${total} MB` : "-";
  if (used === undefined || free === undefined) return size;
  const parts = [`${used} MB used`, `${free} MB free`, ...(age === undefined ? [] : [age])];
  return `${size} (${parts.join(", ")})`;
}

function ageText(at: string | undefined): string | undefined {
  return at && `${since(Date.parse(at) / 1000)} ago`;
}

const recentMs = 10_000;

function isRecent(at: string | undefined): boolean {
  return at !== undefined && Date.now() - Date.parse(at) < recentMs;
}

function shareText({ read_only, expires_at }: NonNullable<ReceivedSandbox["share"]>): string {
  const end = expires_at === undefined ? "no expiry" : `expires ${future(expires_at)}`;
  return `${read_only ? "read-only shell" : "shell"}, ${end}`;
}

/** Nothing when the daemon's own setting counts. */
function idle(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : formatDuration(seconds);
}
