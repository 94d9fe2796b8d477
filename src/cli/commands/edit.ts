/** `bhatti edit`: another name, other labels, or what a sandbox does while nobody uses it. */
import { formatDuration } from "../../config/duration.ts";
import type { Input } from "../../contract/all.ts";
import type { Sandbox } from "../../contract/sandboxes.ts";
import { durationOrDefault } from "../arguments/duration.ts";
import { list, pairs, text, toggle } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import { UsageError } from "../usage-error.ts";

type Change = Input<"sandbox.edit">["body"];

export const edit = command({
  description:
    "Idle times count from its last activity: see bhatti list --help.\n" +
    "A duration is 30s, 5m, 2h or 1d, a bare number of seconds, never, which turns it off, or default for the daemon's own setting.",
  arguments: ["sandbox"],
  flags: {
    name: text("New name; the host name inside does not change", { placeholder: "name" }),
    "keep-hot": toggle("Never pause it when it is idle"),
    "allow-cold": toggle("Pause it again when it is idle"),
    label: pairs("Add or replace a label; can be repeated"),
    "label-delete": list("Remove a label; can be repeated", { placeholder: "key" }),
    "idle-warm": durationOrDefault("Pause it after so long without activity"),
    "idle-cold": durationOrDefault("Put its memory on the disk after so long without activity"),
    ttl: durationOrDefault("Destroy it after so long from now"),
  },
  examples: [
    "bhatti edit dev --name web --label team=web --label-delete tier",
    "bhatti edit dev --keep-hot",
    "bhatti edit dev --allow-cold --idle-warm 5m --idle-cold never --ttl 1d",
  ],
  async run(context, { sandbox: ref, ...input }) {
    if (input["keep-hot"] && input["allow-cold"]) {
      throw new UsageError("--keep-hot and --allow-cold cannot be used together");
    }
    const removed = input["label-delete"].flatMap((keys) => keys.split(",")).filter(Boolean);
    const body: Change = {
      ...given("name", input.name),
      ...(input["keep-hot"] && { keep_hot: true }),
      ...(input["allow-cold"] && { keep_hot: false }),
      ...(Object.keys(input.label ?? {}).length > 0 && given("labels_add", input.label)),
      ...(removed.length > 0 && { labels_remove: removed }),
      ...given("idle_warm_s", input["idle-warm"]),
      ...given("idle_cold_s", input["idle-cold"]),
      ...given("ttl_s", input.ttl),
    };
    if (Object.keys(body).length === 0) {
      throw new UsageError("requires at least one flag that changes the sandbox");
    }
    const client = await context.client();
    const { result } = await client.call("sandbox.edit", { params: { ref }, body });
    await context.result(result, () =>
      [`Updated ${ref}`, ...linesOf(body, result).map((line) => `  ${line}`), ""].join("\n"),
    );
  },
});

/** One for each change. */
function linesOf(change: Change, sandbox: Sandbox): string[] {
  const lines: string[] = [];
  if (change.name !== undefined) {
    lines.push(`Name: ${sandbox.name} (the host name inside does not change)`);
  }
  if (change.keep_hot !== undefined) lines.push(`Keep hot: ${change.keep_hot ? "yes" : "no"}`);
  for (const [key, value] of Object.entries(change.labels_add ?? {})) {
    lines.push(`Label set: ${key}=${value}`);
  }
  for (const key of change.labels_remove ?? []) lines.push(`Label removed: ${key}`);
  if (change.idle_warm_s !== undefined) lines.push(`Idle warm: ${idle(change.idle_warm_s)}`);
  if (change.idle_cold_s !== undefined) lines.push(`Idle cold: ${idle(change.idle_cold_s)}`);
  if (change.ttl_s !== undefined) lines.push(`Expires: ${sandbox.expires_at ?? "never"}`);
  return lines;
}

function idle(seconds: number | null): string {
  return seconds === null ? "the daemon's setting" : formatDuration(seconds);
}
