/** `bhatti create`: a sandbox, the one that already has this name, or copies of another. */
import type { Client } from "../../client/client.ts";
import { defaultServerConfig } from "../../config/schema.ts";
import type { Input } from "../../contract/all.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { duration, durations, idleTimes } from "../arguments/duration.ts";
import { environment, withLocalValues } from "../arguments/environment.ts";
import { readFiles } from "../arguments/file.ts";
import { badFlag, list, pairs, planned, text, toggle, whole } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { created, type ReceivedSandbox } from "../terminal/created.ts";
import { sayWhenLong } from "../terminal/patience.ts";
import { fork } from "./fork.ts";

type Asked = Input<"sandbox.create">["body"];

const firstOfItsSize = "Booting a kernel for the first sandbox of this size takes about 30 s…";
const megabytes = { placeholder: "MB", min: 0, max: Number.MAX_SAFE_INTEGER };

export const create = command({
  description:
    "If the name exists, prints that sandbox, warns about settings that differ, and succeeds.\n" +
    "--from forks a sandbox: the copies continue from its current memory and disk. It accepts --name, --count, " +
    "--label, --keep-hot, --idle-warm, --idle-cold and --ttl; other settings are copied from the source.\n" +
    `${idleTimes} ${durations}, or never.`,
  arguments: [],
  flags: {
    name: text("Sandbox name (default: generated)", { short: "n", placeholder: "name" }),
    template: text("Template to create from; other flags override it", {
      placeholder: "template",
    }),
    image: text("Image (default: the daemon's setting)", { placeholder: "image" }),
    cpus: whole("Number of vCPUs (default 1)", { min: 1, max: 64, unit: "vCPUs" }),
    memory: whole("Memory in MB (default 1024)", { ...megabytes, short: "m" }),
    "disk-size": whole("Root disk size in MB (default: the image's size)", megabytes),
    env: environment("Set environment variables for all commands", { short: "e" }),
    init: text("Shell script to run once, as session init (see bhatti logs)", {
      placeholder: "script",
    }),
    "keep-hot": toggle("Never pause or suspend the sandbox when idle"),
    "idle-warm": duration("Pause after this idle time (default: the daemon's setting)"),
    "idle-cold": duration("Suspend to disk after this idle time (default: the daemon's setting)"),
    ttl: duration("Destroy the sandbox after this time (default: never)"),
    label: pairs("Set a label (repeatable)"),
    file: list("Copy a local file into the sandbox (repeatable)", {
      placeholder: "local:guest",
    }),
    from: text("Fork this sandbox", { placeholder: "sandbox" }),
    count: whole("Number of forks, named <name>-1, <name>-2, … (default 1)", {
      min: 1,
      max: 64,
      unit: "copies",
    }),
    volume: planned("volumes"),
    secret: planned("secrets"),
    hugepages: toggle("Not supported", { hidden: true }),
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
      ...given("env", await withLocalValues(input.env, context.system.env)),
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

async function tellDifferences(
  context: Context,
  asked: Asked,
  sandbox: ReceivedSandbox,
): Promise<void> {
  const { differences } = await import("./differences.ts");
  const found = differences(asked, sandbox);
  if (found.length > 0)
    await context.remark(`Warning: the existing sandbox differs: ${found.join(", ")}`);
}

/** Files travel within the request. Only one that is too long for most daemons has to ask what this one takes. */
async function checkSize(client: Client, body: object): Promise<void> {
  const size = Buffer.byteLength(JSON.stringify(body));
  if (size <= defaultServerConfig.limits.jsonBodyBytes) return;
  const { json_body_bytes: limit } = (await client.call("version.get", {})).result;
  if (limit === undefined || size <= limit) return;
  throw new BhattiError(
    "body_too_large",
    `--file: the request with its files has ${size} bytes, the daemon at ${client.url} accepts at most ${limit}`,
    {
      hint: "Base64 adds a third. Copy large files afterwards: bhatti file push <name> <local> <path>",
    },
  );
}

function unchanged({ name = "-" }: ReceivedSandbox): string {
  return `sandbox/${name} unchanged (already exists)\n`;
}
