/** `bhatti create`: a sandbox, the one that already has this name, or copies of another. */
import type { Client } from "../../client/client.ts";
import { defaultServerConfig } from "../../config/schema.ts";
import type { Input } from "../../contract/all.ts";
import type { Sandbox } from "../../contract/sandboxes.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { duration } from "../arguments/duration.ts";
import { environment } from "../arguments/environment.ts";
import { readFiles } from "../arguments/file.ts";
import { badFlag, list, pairs, text, toggle, whole } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { sayWhenLong } from "../terminal/patience.ts";
import { fork } from "./fork.ts";

type Asked = Input<"sandbox.create">["body"];

const firstOfItsSize =
  "This takes longer than usual: the first machine of a size boots its kernel, about half a minute…";
const megabytes = { placeholder: "MB", min: 0, max: Number.MAX_SAFE_INTEGER };

export const create = command({
  description:
    "Creating a name that exists prints the existing sandbox and succeeds; a warning says where it is not as asked.\n" +
    "With --from it makes copies that go on from where a sandbox is. With it go --name, --count, --label, --keep-hot,\n" +
    "--idle-warm, --idle-cold and --ttl; all else is as its source has it.\n" +
    "Idle times count from its last activity: see bhatti list --help.\n" +
    "A duration is 30s, 5m, 2h or 1d, a bare number of seconds, or never, which turns it off.",
  arguments: [],
  flags: {
    name: text("Name; made up when absent", { placeholder: "name" }),
    template: text("Start from this template; other flags win over it", {
      placeholder: "template",
    }),
    image: text("Image; the daemon's default when absent", { placeholder: "image" }),
    cpus: whole("vCPUs (default 1)", { min: 1, max: 64, unit: "vCPUs" }),
    memory: whole("Memory in MB (default 1024)", megabytes),
    "disk-size": whole("Root disk in MB; the image's size when absent", megabytes),
    env: environment("Environment of every command"),
    init: text(
      "Shell script to run once, in /workspace; bhatti logs <sandbox> init prints what it says",
      { placeholder: "script" },
    ),
    "keep-hot": toggle("Never pause it when it is idle"),
    "idle-warm": duration(
      "Pause it after so long without activity; the daemon's setting when absent",
    ),
    "idle-cold": duration(
      "Put its memory on the disk after so long without activity; the daemon's setting when absent",
    ),
    ttl: duration("Destroy it after so long"),
    label: pairs("Label; can be repeated"),
    file: list("Copy a local file into it, executable if it is; can be repeated", {
      placeholder: "local:guest",
    }),
    from: text("Copy this sandbox, with its memory and its disk", { placeholder: "sandbox" }),
    count: whole("How many copies (default 1), named <name>-1, <name>-2, …", {
      min: 1,
      max: 64,
      unit: "copies",
    }),
    hugepages: toggle("Refused", { hidden: true }),
  },
  examples: [
    "bhatti create --name dev",
    "bhatti create --name worker --cpus 2 --memory 2048 --env API_KEY=abc,NODE_ENV=prod",
    "bhatti create --name builder --file ./build.sh:/workspace/build.sh --label team=web",
    "bhatti create --name try --idle-warm 5m --idle-cold 1h --ttl 1d",
    "bhatti create --from dev --name try --count 8",
  ],
  async run(context, input) {
    if (input.hugepages) {
      throw new BhattiError(
        "bad_usage",
        "--hugepages is not supported: a sandbox's memory is a file, so that stopping it costs nothing",
      );
    }
    if (input.from !== undefined) {
      await fork(context, { ...input, from: input.from });
      return;
    }
    if (input.count !== undefined) throw badFlag("count", "requires --from");
    const body: Asked = {
      ...given("name", input.name),
      ...given("template_id", input.template),
      ...given("image", input.image),
      ...given("cpus", input.cpus),
      ...given("memory_mb", input.memory),
      ...given("disk_size_mb", input["disk-size"]),
      ...given("env", input.env),
      ...given("init", input.init),
      ...(input["keep-hot"] && { keep_hot: true }),
      ...given("idle_warm_s", input["idle-warm"]),
      ...given("idle_cold_s", input["idle-cold"]),
      ...given("ttl_s", input.ttl),
      ...given("labels", input.label),
      ...given("files", await readFiles(input.file)),
    };
    const client = await context.client();
    if (body.files) await checkSize(client, body);
    const { result, headers } = await sayWhenLong(
      context,
      firstOfItsSize,
      client.call("sandbox.create", { body }),
    );
    const existing = headers.get("x-bhatti-existing") === "true";
    await context.result(result, () => (existing ? unchanged(result) : created(result)));
    if (existing) await tellDifferences(context, body, result);
  },
});

async function tellDifferences(context: Context, asked: Asked, sandbox: Sandbox): Promise<void> {
  const { differences } = await import("./differences.ts");
  const found = differences(asked, sandbox);
  if (found.length > 0) await context.remark(`Warning: it is not as asked: ${found.join(", ")}`);
}

/** Files travel within the request. Only one that is too long for most daemons has to ask what this one takes. */
async function checkSize(client: Client, body: object): Promise<void> {
  const size = Buffer.byteLength(JSON.stringify(body));
  if (size <= defaultServerConfig.limits.jsonBodyBytes) return;
  const { json_body_bytes: limit } = (await client.call("version.get", {})).result;
  if (size <= limit) return;
  throw new BhattiError(
    "body_too_large",
    `--file: with its files the request is ${size} bytes long, and the daemon at ${client.url} takes at most ${limit}`,
    {
      hint: "Files grow by a third on their way. Copy large ones later: tar c <files> | bhatti exec <name> -- tar x",
    },
  );
}

function unchanged(sandbox: Sandbox): string {
  return `sandbox/${sandbox.name} unchanged (already exists)\n`;
}

function created({ name, cpus, memory_mb, disk_size_mb, ip }: Sandbox): string {
  const disk = disk_size_mb ? `, ${disk_size_mb} MB disk` : "";
  const lines = [`sandbox/${name} created (${cpus} vCPU, ${memory_mb} MB${disk})`];
  if (ip) lines.push(`  IP: ${ip}`);
  lines.push(`  Run: bhatti exec ${name} -- <command>`);
  return `${lines.join("\n")}\n`;
}
