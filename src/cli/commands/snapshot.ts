/** `bhatti snapshot …`: what is kept of sandboxes, to go on from as often as one likes. */
import type { Received } from "../../client/answer.ts";
import type { Snapshot } from "../../contract/snapshots.ts";
import { choice, confirmed, requiredText, text } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import { forEach, named } from "../for-each.ts";
import { confirm } from "../terminal/confirm.ts";
import { created } from "../terminal/created.ts";
import { type Column, table } from "../terminal/table.ts";
import { warn } from "../terminal/warning.ts";

export const createSnapshot = command({
  description: "The sandbox keeps running; the output says how long it was paused.",
  arguments: ["sandbox"],
  flags: {
    name: requiredText("Snapshot name (required)", { placeholder: "name" }),
    type: choice("Memory and disk, or the disk only (default full)", ["full", "filesystem"]),
  },
  examples: [
    "bhatti snapshot create dev --name ready",
    "bhatti snapshot create dev --name files --type filesystem",
  ],
  async run(context, { sandbox: ref, name, type }) {
    const client = await context.client();
    const body = { name, ...given("type", type) };
    const { result } = await client.call("snapshot.create", { params: { ref }, body });
    const { size_mb = "-", paused_ms } = result;
    const paused = paused_ms === undefined ? "" : `, source paused ${Math.round(paused_ms)} ms`;
    await context.result(
      result,
      () => `snapshot "${result.name ?? name}" created (${size_mb} MB${paused})\n`,
    );
  },
});

export const listSnapshots = command({
  arguments: [],
  flags: {},
  examples: ["bhatti snapshot list", "bhatti snapshot ls --json"],
  async run(context) {
    const client = await context.client();
    const { result } = await client.call("snapshot.list", {});
    await context.result(result, () => (result.length > 0 ? table(columns, result) : ""));
    if (result.length === 0 && !context.flags.json) await context.remark("No snapshots");
  },
});

export const resumeSnapshot = command({
  description:
    "Creates any number of sandboxes from a snapshot, also after its source is destroyed.",
  arguments: ["snapshot"],
  flags: { name: text("Sandbox name (default: generated)", { placeholder: "name" }) },
  examples: ["bhatti snapshot resume ready", "bhatti snapshot resume ready --name dev2"],
  async run(context, { snapshot: ref, name }) {
    const client = await context.client();
    const body = given("name", name);
    const { result, headers } = await client.call("snapshot.resume", { params: { ref }, body });
    await context.result(result, () => created(result));
    await warn(context, headers);
  },
});

export const restoreSnapshot = command({
  description:
    "Replaces the files, processes and memory of the sandbox. Its name and ID stay the same.",
  arguments: ["snapshot", "sandbox"],
  flags: { yes: confirmed },
  examples: ["bhatti snapshot restore ready dev", "bhatti snapshot restore ready dev -y"],
  async run(context, { snapshot: ref, sandbox, yes }) {
    const question = `Restore sandbox "${sandbox}" to snapshot "${ref}"? Its current state will be lost.`;
    if (!yes && !(await confirm(context, question))) return;
    const client = await context.client();
    const { result, headers } = await client.call("snapshot.restore", {
      params: { ref },
      body: { sandbox },
    });
    await context.result(
      result,
      () => `sandbox/${result.name ?? sandbox} restored from "${ref}"\n`,
    );
    await warn(context, headers);
  },
});

export const deleteSnapshot = command({
  arguments: [],
  rest: "snapshot",
  flags: { yes: confirmed },
  examples: ["bhatti snapshot delete ready", "bhatti snapshot rm ready old -y"],
  async run(context, { snapshot: names, yes }) {
    const question = `Delete ${named("snapshot", "snapshots", names)}?`;
    if (!yes && !(await confirm(context, question))) return undefined;
    const client = await context.client();
    return await forEach(context, { word: "snapshot", names }, async (ref) => {
      const { result } = await client.call("snapshot.delete", { params: { ref } });
      return { value: result, text: `snapshot/${ref} deleted\n` };
    });
  },
});

const columns: Column<Received<Snapshot>>[] = [
  ["ID", 13, (snapshot) => snapshot.id ?? "-"],
  ["NAME", 20, (snapshot) => snapshot.name ?? "-"],
  ["SOURCE", 20, (snapshot) => snapshot.source_sandbox ?? "-"],
  ["SIZE", 0, ({ size_mb }) => (size_mb === undefined ? "-" : `${size_mb}MB`)],
];
