/** `bhatti edit`: changes the name, labels, idle times and time to live of a sandbox. */
import { formatDuration } from "../../config/duration.ts";
import type { Input } from "../../contract/all.ts";
import { durationOrDefault, durations, idleTimes } from "../arguments/duration.ts";
import { list, pairs, text, toggle } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import type { ReceivedSandbox } from "../terminal/created.ts";
import { UsageError } from "../usage-error.ts";

type Change = Input<"sandbox.edit">["body"];

export const edit = command({
  description:
    `Changes only what the flags name. ${idleTimes}\n` +
    `${durations}, never, or default for the daemon's setting.`,
  arguments: ["sandbox"],
  flags: {
    name: text("New name (the hostname inside the sandbox does not change)", {
      placeholder: "name",
    }),
    "keep-hot": toggle("Never pause or suspend the sandbox when idle"),
    "allow-cold": toggle("Pause and suspend the sandbox when idle (undoes --keep-hot)"),
    label: pairs("Add or replace a label (repeatable)"),
    "label-delete": list("Remove a label (repeatable)", { placeholder: "key" }),
    "idle-warm": durationOrDefault("Pause after this idle time"),
    "idle-cold": durationOrDefault("Suspend to disk after this idle time"),
    ttl: durationOrDefault("Destroy the sandbox after this time, counted from now"),
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
function linesOf(change: Change, sandbox: ReceivedSandbox): string[] {
  const lines: string[] = [];
  if (change.name !== undefined) {
    lines.push(`Name: ${sandbox.name ?? change.name} (the hostname inside does not change)`);
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
