/** create, list, inspect and destroy as a person and as a script see them. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Template } from "../../src/contract/templates.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { powerOff } from "../support/guest-commands.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

beforeEach(() => daemon.destroyAll());

test("create says what was made and what to do next", async () => {
  expect(await daemon.run(["create", "--name", "dev"])).toMatchObject({
    code: 0,
    stderr: "",
    stdout: "sandbox/dev created (1 vCPU, 1024 MB, 300 MB disk)\n  Shell: bhatti shell dev\n",
  });
});

test("create again is no error", async () => {
  await daemon.ok("create", "--name", "dev");
  expect(await daemon.run(["create", "--name", "dev"])).toMatchObject({
    code: 0,
    stderr: "",
    stdout: "sandbox/dev unchanged (already exists)\n",
  });
});

test("create of an existing name warns about settings that differ", async () => {
  await daemon.ok("create", "--name", "dev", "--cpus", "2", "--label", "team=web,tier=1");
  const same = ["--cpus", "2", "--image", "minimal", "--memory", "0", "--label", "tier=1"];
  expect(await daemon.run(["create", "--name", "dev", ...same])).toMatchObject({ stderr: "" });
  const other = ["--cpus", "1", "--memory", "2048", "--image", "tiny", "--disk-size", "400"];
  const more = ["--keep-hot", "--idle-warm", "5m", "--label", "team=api,new=1"];
  expect(await daemon.run(["create", "--name", "dev", ...other, ...more])).toMatchObject({
    code: 0,
    stdout: "sandbox/dev unchanged (already exists)\n",
    stderr:
      "Warning: the existing sandbox differs: image minimal instead of tiny, cpus 2 instead of 1, memory 1024 MB instead of 2048 MB, " +
      "disk-size 300 MB instead of 400 MB, keep-hot false instead of true, idle-warm the daemon's setting instead of 5m, " +
      "label team web instead of api, label new absent instead of 1\n",
  });
});

test("create makes up a name", async () => {
  expect(await daemon.ok("create")).toMatch(/^sandbox\/sandbox-[0-9a-f]{6} created/);
});

test("create passes every flag on", async () => {
  const local = join(daemon.home, "local.txt");
  writeFileSync(local, "from here");
  const flags = ["--image", "minimal", "--cpus", "2", "--memory=2048", "--disk-size", "400"];
  const more = ["--env", "A=1,B=x=y", "--env", "C=3", "--init", "echo hi", "--keep-hot"];
  const labels = ["--label", "team=web,tier=1", "--label", "z=9", "--file", `${local}:/tmp/x`];
  const args = ["create", "--name", "all", ...flags, ...more, ...labels, "--json"];
  expect(JSON.parse(await daemon.ok(...args))).toMatchObject({
    name: "all",
    image: "minimal",
    cpus: 2,
    memory_mb: 2048,
    disk_size_mb: 400,
    keep_hot: true,
    labels: { team: "web", tier: "1", z: "9" },
  });
  expect(await daemon.ok("exec", "all", "cat", "/tmp/x")).toBe("from here");
  const env = await daemon.ok("exec", "all", "env");
  for (const line of ["A=1", "B=x=y", "C=3"]) expect(env.split("\n")).toContain(line);
});

test("create starts from a template, and its flags win over it", async () => {
  const reply = await fetch(`${daemon.url}/templates`, {
    method: "POST",
    headers: { authorization: `Bearer ${daemon.key}` },
    body: JSON.stringify({ name: "base", cpus: 2, memory_mb: 512, labels: { team: "web" } }),
  });
  const template = (await reply.json()) as Template;
  const args = ["--name", "dev", "--template", "base", "--memory", "768", "--label", "tier=1"];
  expect(await daemon.run(["create", ...args])).toMatchObject({
    code: 0,
    stderr: "",
    stdout: "sandbox/dev created (2 vCPU, 768 MB, 300 MB disk)\n  Shell: bhatti shell dev\n",
  });
  const lines = (await daemon.ok("inspect", "dev")).split("\n");
  expect(lines).toContain(`Template:   ${template.id}`);
  expect(lines).toContain("Labels:     team=web,tier=1");
  expect(await daemon.ok("create", "--template", template.id)).toMatch(
    /^sandbox\/base-[0-9a-f]{6} created \(2 vCPU, 512 MB, 300 MB disk\)\n/,
  );
});

const usageError = (problem: string, hint = "See: bhatti create --help") =>
  `Error: ${problem}\nUsage: bhatti create [flags]\n${hint}\n`;

test.each<[string[], string]>([
  [["--cpus", "1.5"], usageError('--cpus must be a whole number of vCPUs, got "1.5"')],
  [["--cpus", "0"], usageError("--cpus must be between 1 and 64 vCPUs, got 0")],
  [["--memory", "lots"], usageError('--memory must be a whole number, got "lots"')],
  [["--label", "team"], usageError('--label must be key=value, got "team"')],
  [
    ["--label", "a=1,2"],
    usageError(
      '--label must be key=value, got "2"',
      "A comma separates pairs; a value cannot contain one",
    ),
  ],
  [["--env", "A,B=1"], usageError('--env must be KEY=VALUE,... or KEY, got "A"')],
  [
    ["--file", "here"],
    usageError('--file must be local:guest with an absolute guest path, got "here"'),
  ],
  [["--file", "/nowhere:/x"], 'Error: --file cannot read "/nowhere": No such file or directory\n'],
  [
    ["--hugepages"],
    "Error: --hugepages is not supported: a sandbox's memory is a file, so that stopping it costs nothing\n",
  ],
  [["--cpus"], usageError("--cpus needs a value")],
  [["--keep-hot=maybe"], usageError('--keep-hot must be true or false, got "maybe"')],
  [
    ["--nmae", "x"],
    usageError('unknown flag "--nmae" for "bhatti create"', "Did you mean: --name"),
  ],
  [
    ["--template", "nope"],
    '404 Not Found: Template "nope" not found\nCheck template name: GET /templates\n',
  ],
  [
    ["--image", "nope"],
    '404 Not Found: Image "nope" not found\nList images: bhatti image list, or build it: bhatti image build <recipe>\n',
  ],
])("create %p is refused", async (flags, stderr) => {
  const outcome = await daemon.run(["create", "--name", "bad", ...flags]);
  expect(outcome).toMatchObject({ code: 1, stdout: "", stderr });
  expect(await daemon.ok("list", "--json")).toBe("[]\n");
});

test("files that are too large for a request are refused before it", async () => {
  const local = join(daemon.home, "large");
  const create = (bytes: number) => {
    writeFileSync(local, new Uint8Array(bytes));
    return daemon.run(["create", "--name", "dev", "--file", `${local}:/tmp/x`]);
  };
  expect(await create(786_000)).toMatchObject({ code: 0, stderr: "" });
  const { code, stderr } = await create(787_000);
  expect(code).toBe(1);
  expect(stderr).toBe(
    `Error: --file: the request with its files has 1049411 bytes, the daemon at ${daemon.url} accepts at most 1048576\n` +
      "Base64 adds a third. Copy large files afterwards: bhatti file push dev <local> <path>\n",
  );
});

test("a daemon that takes longer requests gets them", async () => {
  await using own = await startCliDaemon([], { json_body_bytes: 2_000_000 });
  const local = join(own.home, "large");
  const create = (bytes: number) => {
    writeFileSync(local, new Uint8Array(bytes));
    return own.run(["create", "--name", "dev", "--file", `${local}:/tmp/x`]);
  };
  expect(await create(1_400_000)).toMatchObject({ code: 0, stderr: "" });
  expect((await create(1_600_000)).stderr).toContain("accepts at most 2000000\n");
});

test("what the daemon refuses names the field", async () => {
  const { code, stderr } = await daemon.run(["create", "--name", "-x"]);
  expect(code).toBe(1);
  expect(stderr).toStartWith("400 Bad Request: name: ");
});

test("list has columns that scripts can rely on", async () => {
  await daemon.ok("create", "--name", "dev", "--label", "b=2,a=1");
  expect(await daemon.ok("ls")).toBe(
    "NAME                 STATUS     THERMAL  IP\ndev                  running    hot      -\n",
  );
  expect(await daemon.ok("list", "-o", "wide")).toBe(
    [
      "NAME                 STATUS     THERMAL  IP               CPUS  MEMORY   DISK     IMAGE        LABELS",
      "dev                  running    hot      -                1     1024MB   300MB    minimal      a=1,b=2\n",
    ].join("\n"),
  );
});

test("list --json has what the API has, and no more", async () => {
  const { id } = JSON.parse(await daemon.ok("create", "--name", "dev", "--json")) as Sandbox;
  expect(JSON.parse(await daemon.ok("--json", "list"))).toEqual([
    {
      id,
      name: "dev",
      status: "running",
      thermal: "hot",
      ip: "",
      urls: [],
      cpus: 1,
      memory_mb: 1024,
      disk_size_mb: 300,
      image: "minimal",
    },
  ]);
});

test("list asks for labels that all must match", async () => {
  await daemon.ok("create", "--name", "a", "--label", "team=web,tier=1");
  await daemon.ok("create", "--name", "b", "--label", "team=web");
  const names = async (...flags: string[]) =>
    (JSON.parse(await daemon.ok("list", "--json", ...flags)) as Sandbox[]).map(({ name }) => name);
  expect((await names("--label", "team=web")).sort()).toEqual(["a", "b"]);
  expect(await names("--label", "team=web", "--label", "tier=1")).toEqual(["a"]);
});

test("an empty list says so on stderr", async () => {
  expect(await daemon.run(["list"])).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "No sandboxes\n",
  });
  expect(await daemon.run(["list", "--json"])).toMatchObject({ stdout: "[]\n", stderr: "" });
});

test("a command that ends its sandbox says why, and so does inspect", async () => {
  await daemon.ok("create", "--name", "dev");
  const { code, stderr } = await daemon.run(["exec", "-u", "root", "dev", "--", ...powerOff]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^502 Bad Gateway: Sandbox "dev" ended while running the command: the guest shut down \(req_\w+\)\nCheck its state: bhatti inspect dev\n$/,
  );
  expect(await daemon.ok("inspect", "dev")).toContain(
    "Status:     stopped\nReason:     powered off: the guest shut down\n",
  );
});

test.each(["inspect", "destroy", "exec"])("%s of what is not there has a hint", async (verb) => {
  const rest = { inspect: [], destroy: ["-y"], exec: ["true"] }[verb] ?? [];
  expect(await daemon.run([verb, "nope", ...rest])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n",
  });
  const { stderr } = await daemon.run([verb, "nope", ...rest, "--json"]);
  expect(JSON.parse(stderr)).toEqual({
    error: "sandbox not found",
    code: "sandbox_not_found",
    request_id: expect.stringMatching(/^req_[0-9a-f]{16}$/),
    hint: "Check sandbox name: bhatti ls",
  });
});

test("destroy -y destroys", async () => {
  await daemon.ok("create", "--name", "dev");
  expect(await daemon.run(["destroy", "dev", "-y"])).toMatchObject({
    code: 0,
    stderr: "",
    stdout: "sandbox/dev destroyed\n",
  });
  await daemon.ok("create", "--name", "dev");
  expect(JSON.parse(await daemon.ok("rm", "--yes", "dev", "--json"))).toEqual({
    status: "destroyed",
  });
});

test("destroy without -y and without a terminal does nothing", async () => {
  await daemon.ok("create", "--name", "dev");
  expect(await daemon.run(["destroy", "dev"], { stdin: "y\n" })).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "Error: confirmation required, but stdin is not a terminal\nPass -y to confirm\n",
  });
  await daemon.ok("inspect", "dev");
});
