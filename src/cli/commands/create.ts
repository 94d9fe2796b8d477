/** `bhatti create`: a sandbox, or the one that already has this name. */
import type { Input } from "../../contract/all.ts";
import type { Sandbox } from "../../contract/sandboxes.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { readFiles } from "../arguments/file.ts";
import { list, pairs, text, toggle, whole } from "../arguments/flags.ts";
import { command } from "../command.ts";

const megabytes = { placeholder: "MB", min: 0, max: Number.MAX_SAFE_INTEGER };

export const create = command({
  description: "Creating a name that exists prints the existing sandbox and succeeds.",
  arguments: [],
  flags: {
    name: text("Name; made up when absent", { placeholder: "name" }),
    image: text("Image; the daemon's default when absent", { placeholder: "image" }),
    cpus: whole("vCPUs (default 1)", { min: 1, max: 64, unit: "vCPUs" }),
    memory: whole("Memory in MB (default 1024)", megabytes),
    "disk-size": whole("Root disk in MB; the image's size when absent", megabytes),
    env: pairs("Environment of every command", { placeholder: "KEY=VALUE,..." }),
    init: text("Shell script to run when it starts", { placeholder: "script" }),
    "keep-hot": toggle("Never pause it when it is idle"),
    label: pairs("Label; can be repeated"),
    file: list("Copy a local file into it; can be repeated", { placeholder: "local:guest" }),
    hugepages: toggle("Refused", { hidden: true }),
  },
  examples: [
    "bhatti create --name dev",
    "bhatti create --name worker --cpus 2 --memory 2048 --env API_KEY=abc,NODE_ENV=prod",
    "bhatti create --name builder --file ./build.sh:/workspace/build.sh --label team=web",
  ],
  async run(context, input) {
    if (input.hugepages) {
      throw new BhattiError(
        "bad_usage",
        "--hugepages is not supported: a sandbox's memory is a file, so that stopping it costs nothing",
      );
    }
    const body: Input<"sandbox.create">["body"] = {
      ...given("name", input.name),
      ...given("image", input.image),
      ...given("cpus", input.cpus),
      ...given("memory_mb", input.memory),
      ...given("disk_size_mb", input["disk-size"]),
      ...given("env", input.env),
      ...given("init", input.init),
      ...(input["keep-hot"] && { keep_hot: true }),
      ...given("labels", input.label),
      ...given("files", await readFiles(input.file)),
    };
    const client = await context.client();
    const { result, headers } = await client.call("sandbox.create", { body });
    const existing = headers.get("x-bhatti-existing") === "true";
    await context.result(result, () => (existing ? unchanged(result) : created(result)));
  },
});

function given<Name extends string, T>(name: Name, value: T | undefined): { [_ in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [_ in Name]: T });
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
