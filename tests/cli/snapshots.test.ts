/** snapshot … as a person and as a script see it. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { binary, runInTerminal } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

beforeEach(async () => {
  await daemon.destroyAll();
  for (const { name } of await snapshots()) await daemon.ok("snapshot", "delete", name, "-y");
  const local = join(daemon.home, "local.txt");
  writeFileSync(local, "kept");
  await daemon.ok("create", "--name", "dev", "--file", `${local}:/workspace/a`);
});

const snapshots = async () =>
  JSON.parse(await daemon.ok("snapshot", "list", "--json")) as Snapshot[];
const keep = (name: string, ...flags: string[]) =>
  daemon.run(["snapshot", "create", "dev", "--name", name, ...flags]);

test("snapshot create says how large it is and how long its source stood still", async () => {
  const { code, stdout, stderr } = await keep("ready");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^snapshot "ready" created \(\d+ MB, source paused \d+ ms\)\n$/);
  const { stdout: json } = await keep("files", "--type", "filesystem", "--json");
  expect(JSON.parse(json)).toMatchObject({
    name: "files",
    type: "filesystem",
    source_sandbox: "dev",
    size_mb: expect.any(Number),
    paused_ms: expect.any(Number),
  });
});

test("snapshot list has columns that scripts can rely on", async () => {
  expect(await daemon.run(["snapshot", "list"])).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "No snapshots\n",
  });
  expect(await daemon.run(["snapshot", "ls", "--json"])).toMatchObject({
    stdout: "[]\n",
    stderr: "",
  });
  await keep("ready");
  const [snapshot] = await snapshots();
  const lines = (await daemon.ok("snapshot", "ls")).split("\n");
  const width = Math.max(13, snapshot?.id.length ?? 0);
  expect(lines).toEqual([
    `${"ID".padEnd(width)} NAME                 SOURCE               SIZE`,
    `${snapshot?.id.padEnd(width)} ready                dev                  ${snapshot?.size_mb}MB`,
    "",
  ]);
});

test("snapshot resume prints what create prints", async () => {
  await keep("ready");
  const { code, stdout, stderr } = await daemon.run([
    ...["snapshot", "resume", "ready", "--name", "two"],
  ]);
  const words = "sandbox/two created (1 vCPU, 1024 MB, 300 MB disk)\n  Shell: bhatti shell two\n";
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: words, stderr: "" });
  expect(await daemon.ok("exec", "two", "cat", "/workspace/a")).toBe("kept");
  await daemon.ok("destroy", "dev", "-y");
  const third = JSON.parse(await daemon.ok("snapshot", "resume", "ready", "--json")) as Sandbox;
  expect(await daemon.ok("exec", third.name, "cat", "/workspace/a")).toBe("kept");
});

test("snapshot restore puts the same sandbox back", async () => {
  await keep("ready");
  const before = JSON.parse(await daemon.ok("inspect", "dev", "--json")) as Sandbox;
  expect(await daemon.run(["snapshot", "restore", "ready", "dev", "-y"])).toMatchObject({
    code: 0,
    stdout: 'sandbox/dev restored from "ready"\n',
    stderr: "",
  });
  expect(
    JSON.parse(await daemon.ok("snapshot", "restore", "-y", "ready", "dev", "--json")),
  ).toMatchObject({ id: before.id, name: "dev", status: "running" });
  expect(await daemon.ok("exec", "dev", "cat", "/workspace/a")).toBe("kept");
});

test("snapshot restore asks first", async () => {
  await keep("ready");
  const restore = ["snapshot", "restore", "ready", "dev"];
  expect(await daemon.run(restore, { stdin: "y\n" })).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "Error: confirmation required, but stdin is not a terminal\nPass -y to confirm\n",
  });
  for (const [answer, restores] of [
    ["n\n", false],
    ["y\n", true],
  ] as const) {
    const asked = runInTerminal([binary, ...restore], daemon.env);
    await asked.shows('Restore sandbox "dev" to snapshot "ready"?');
    asked.type(answer);
    expect(await asked.exited).toBe(0);
    expect(asked.screen().includes("sandbox/dev restored")).toBe(restores);
  }
});

test("what could not be kept is a remark on stderr", async () => {
  const answer = { id: "0123", name: "two", ip: "10.0.1.2", cpus: 2, memory_mb: 512 };
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json(answer, { headers: { "X-Bhatti-Warning": "its memory is lost" } }),
  });
  const url = ["--url", `http://127.0.0.1:${server.port}`, "--token", "x"];
  const env = { BHATTI_CONFIG: "/dev/null" };
  const stderr = "Warning: its memory is lost\n";
  expect(await daemon.run(["snapshot", "resume", "ready", ...url], { env })).toMatchObject({
    code: 0,
    stdout: "sandbox/two created (2 vCPU, 512 MB)\n  IP: 10.0.1.2\n  Shell: bhatti shell two\n",
    stderr,
  });
  const restore = ["snapshot", "restore", "ready", "two", "-y", ...url];
  expect(await daemon.run(restore, { env })).toMatchObject({
    code: 0,
    stdout: 'sandbox/two restored from "ready"\n',
    stderr,
  });
});

test("snapshot delete asks first", async () => {
  await keep("ready");
  expect(await daemon.run(["snapshot", "delete", "ready"], { stdin: "y\n" })).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "Error: confirmation required, but stdin is not a terminal\nPass -y to confirm\n",
  });
  const asked = runInTerminal([binary, "snapshot", "rm", "ready"], daemon.env);
  await asked.shows('Delete snapshot "ready"? [y/N]: ');
  asked.type("n\n");
  expect(await asked.exited).toBe(0);
  expect(await snapshots()).toHaveLength(1);
  expect(await daemon.run(["snapshot", "delete", "ready", "-y"])).toMatchObject({
    code: 0,
    stdout: "snapshot/ready deleted\n",
    stderr: "",
  });
  await keep("ready");
  expect(JSON.parse(await daemon.ok("snapshot", "rm", "-y", "ready", "--json"))).toEqual({
    status: "deleted",
  });
});

test("a name that is taken, and one that is not there", async () => {
  await keep("ready");
  expect(await keep("ready")).toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      '409 Conflict: Snapshot "ready" already exists\nChoose another name, or delete it: bhatti snapshot delete ready\n',
  });
  for (const words of [["resume"], ["restore", "dev", "-y"], ["delete", "-y"]]) {
    const [verb = "", ...rest] = words;
    expect(await daemon.run(["snapshot", verb, "nope", ...rest])).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        '404 Not Found: Snapshot "nope" not found\nCheck snapshot name: bhatti snapshot list\n',
    });
  }
});
