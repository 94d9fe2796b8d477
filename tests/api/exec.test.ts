import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { zeros } from "../support/guest-commands.ts";
import { until } from "../support/until.ts";

interface Result {
  exit_code: number;
  stdout: string;
  stderr: string;
  reason: string;
  truncated?: boolean;
  encoding?: "base64";
}

async function withSandbox() {
  const daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", env: { COLOR: "red", SHAPE: "round" } });
  const run = async (cmd: string[], more: object = {}) =>
    (await daemon.call<Result>("POST", "/sandboxes/dev/exec", { cmd, ...more })).body;
  const stream = (cmd: string[], init: RequestInit = {}) =>
    daemon.fetch("/sandboxes/dev/exec", {
      method: "POST",
      headers: { accept: "application/x-ndjson" },
      body: JSON.stringify({ cmd }),
      ...init,
    });
  const lines = async (cmd: string[]) =>
    (await (await stream(cmd)).text())
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const dispose = () => daemon[Symbol.asyncDispose]();
  return { daemon, run, stream, lines, [Symbol.asyncDispose]: dispose };
}

/** Commands that are silent for long run beside the other tests. */
let silent: Awaited<ReturnType<typeof withSandbox>>;
let outcomes: Promise<unknown[]>;
beforeAll(async () => {
  silent = await withSandbox();
  const script = ["sh", "-c", "sleep 15; echo done"];
  outcomes = Promise.all([silent.run(script), silent.lines(script)]);
});
afterAll(() => silent[Symbol.asyncDispose]());

test("the result of a command, its streams apart", async () => {
  await using sandbox = await withSandbox();
  expect(await sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 3"])).toEqual({
    exit_code: 3,
    stdout: "out\n",
    stderr: "err\n",
    reason: "exited",
  });
  expect(await sandbox.run(["nope"])).toMatchObject({ exit_code: 127 });
  expect(await sandbox.run(["cat"])).toMatchObject({ exit_code: 0, stdout: "" });
});

test("environment and directory", async () => {
  await using sandbox = await withSandbox();
  const env = await sandbox.run(["printenv", "COLOR", "SHAPE"], { env: { COLOR: "blue" } });
  expect(env.stdout).toBe("blue\nround\n");
  expect(await sandbox.run(["pwd"])).toMatchObject({ stdout: "/workspace\n" });
  expect(await sandbox.run(["pwd"], { workdir: "/tmp" })).toMatchObject({ stdout: "/tmp\n" });
  expect(sandbox.daemon.logLines.join("")).not.toContain("round");
});

test("a command over its time", async () => {
  await using sandbox = await withSandbox();
  const result = await sandbox.run(["sleep", "60"], { timeout_sec: 1 });
  expect(result).toMatchObject({ exit_code: 137, reason: "timeout" });
});

test("output over 10 MB is cut, and that is said", async () => {
  await using sandbox = await withSandbox();
  const whole = await sandbox.run(zeros(10 * 1024 * 1024));
  expect(whole.truncated).toBeUndefined();
  expect(whole.stdout).toHaveLength(10 * 1024 * 1024);
  const cut = await sandbox.run(zeros(30 * 1024 * 1024));
  expect(cut).toMatchObject({ truncated: true, exit_code: 0 });
  expect(cut.stdout).toHaveLength(10 * 1024 * 1024);
  expect(cut.stderr).toBe("bhatti: output truncated at 10 MB\n");
  const script = `printf err >&2; ${zeros(10 * 1024 * 1024).join(" ")}`;
  const both = await sandbox.run(["sh", "-c", script]);
  expect(both.stderr).toBe("err\nbhatti: output truncated at 10 MB\n");
  expect(whole.stderr).toBe("");
});

test("buffered output that is not UTF-8 is base64, both streams", async () => {
  await using sandbox = await withSandbox();
  expect(await sandbox.run(["sh", "-c", "printf 'a\\377'; echo no >&2"])).toEqual({
    exit_code: 0,
    stdout: Buffer.from([97, 255]).toBase64(),
    stderr: Buffer.from("no\n").toBase64(),
    encoding: "base64",
    reason: "exited",
  });
  const large = await sandbox.run(["sh", "-c", "head -c 300001 /dev/zero; printf '\\377'"]);
  const bytes = Uint8Array.fromBase64(large.stdout);
  expect(large).toMatchObject({ encoding: "base64", stderr: "" });
  expect(bytes).toHaveLength(300_002);
  expect(bytes.at(-1)).toBe(255);
  const text = await sandbox.run(["echo", "\ufeffhé 😀"]);
  expect(text).toMatchObject({ stdout: "\ufeffhé 😀\n" });
  expect(text.encoding).toBeUndefined();
});

test("text that is cut within a character stays text", async () => {
  await using sandbox = await withSandbox();
  const script = `${zeros(10 * 1024 * 1024 - 2).join(" ")}; echo 😀; echo é`;
  const result = await sandbox.run(["sh", "-c", script]);
  expect(result).toMatchObject({ truncated: true });
  expect(result.encoding).toBeUndefined();
  expect(result.stdout).toHaveLength(10 * 1024 * 1024 - 2);
});

test("NDJSON: events as they come, then the exit", async () => {
  await using sandbox = await withSandbox();
  const response = await sandbox.stream(["echo", "hé"]);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(await response.text()).toBe(
    '{"type":"stdout","data":"hé\\n"}\n{"type":"exit","exit_code":0,"reason":"exited"}\n',
  );
  const failed = await sandbox.lines(["sh", "-c", "echo no >&2; exit 9"]);
  expect(failed).toEqual([
    { type: "stderr", data: "no\n" },
    { type: "exit", exit_code: 9, reason: "exited" },
  ]);
});

const cmd = ["printf", "a\\xff\\xfe"];
const base64 = { data: Buffer.from([97, 255, 254]).toBase64(), encoding: "base64" };
const replaced = { data: "a\ufffd\ufffd" };

test.each([
  ["application/x-ndjson", {}, replaced],
  ["application/json;q=0.1, Application/X-NDJSON; charset=utf-8", {}, replaced],
  ["application/x-ndjson; encoding=base64", {}, base64],
  ['text/plain, application/x-ndjson;charset=utf-8;encoding="base64"', {}, base64],
  ["application/x-ndjson", { encoding: "base64" }, base64],
  ["application/x-ndjson", { encoding: "" }, replaced],
])("NDJSON with Accept: %s and %j writes bytes that are not UTF-8 as %j", async (...given) => {
  const [accept, more, output] = given;
  await using sandbox = await withSandbox();
  const response = await sandbox.stream(cmd, {
    headers: { accept },
    body: JSON.stringify({ cmd, ...more }),
  });
  const [first] = (await response.text()).split("\n");
  expect(JSON.parse(first ?? "")).toEqual({ type: "stdout", ...output });
});

test("NDJSON: a command that cannot start is an ordinary error", async () => {
  await using sandbox = await withSandbox();
  sandbox.daemon.machine.finish({ reason: "powered_off", detail: "the guest shut down" });
  sandbox.daemon.engine.machines.clear();
  const response = await sandbox.stream(["true"]);
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ error: 'The disk of sandbox "dev" is missing' });
});

test("NDJSON: a machine that is lost in the middle is the last event", async () => {
  await using sandbox = await withSandbox();
  const response = await sandbox.stream(["sh", "-c", "echo bye; exec sleep 600"]);
  sandbox.daemon.machine.finish({ reason: "crashed", detail: "kernel panic" });
  const events = (await response.text()).trimEnd().split("\n");
  expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({
    type: "error",
    code: "machine_lost",
    data: expect.stringContaining("kernel panic"),
    request_id: expect.stringMatching(/^req_/),
  });
});

test("a command whose machine ends says why the machine ended", async () => {
  await using sandbox = await withSandbox();
  const running = sandbox.daemon.call("POST", "/sandboxes/dev/exec", {
    cmd: ["sh", "-c", "touch begun; exec sleep 600"],
  });
  await until("it runs", () => existsSync(sandbox.daemon.onDisk("workspace/begun")));
  sandbox.daemon.machine.finish({ reason: "powered_off", detail: "the guest shut down" });
  const { status, body } = await running;
  expect({ status, ...body }).toMatchObject({
    status: 502,
    code: "machine_lost",
    error: 'Sandbox "dev" ended while running the command: the guest shut down',
  });
});

test("NDJSON: a client that leaves lets go of the command", async () => {
  await using sandbox = await withSandbox();
  const leaving = new AbortController();
  const response = await sandbox.stream(["yes"], { signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  await until("the command was released", () => sandbox.daemon.logged('"lost"'));
});

test("a client of a buffered exec that leaves lets go of the command", async () => {
  await using sandbox = await withSandbox();
  const leaving = new AbortController();
  const body = JSON.stringify({ cmd: ["sh", "-c", "echo $$ > begun; exec sleep 60"] });
  const request = sandbox.daemon
    .fetch("/sandboxes/dev/exec", { method: "POST", body, signal: leaving.signal })
    .catch(() => undefined);
  const begun = sandbox.daemon.onDisk("workspace/begun");
  await until("the command runs", () => existsSync(begun));
  leaving.abort();
  await request;
  // The daemon may not know yet that the command runs, so that its log says nothing of it.
  const isReleased = async () => {
    const { body } = await sandbox.daemon.call<Sandbox>("GET", "/sandboxes/dev");
    return !body.activity.reason.includes("exec");
  };
  await until("the daemon has released the command", isReleased);
  expect((await sandbox.run(["sh", "-c", "kill -0 $(cat begun)"])).exit_code).toBe(0);
});

test("50 commands at once", async () => {
  await using sandbox = await withSandbox();
  const numbers = Array.from({ length: 50 }, (_, number) => number);
  const results = await Promise.all(numbers.map((n) => sandbox.run(["echo", String(n)])));
  expect(results.map(({ stdout }) => Number(stdout))).toEqual(numbers);
});

test("a command that is silent for 15 s is not cut off", async () => {
  const [buffered, streamed] = await outcomes;
  expect(buffered).toMatchObject({ stdout: "done\n", exit_code: 0 });
  expect(streamed).toEqual([
    { type: "stdout", data: "done\n" },
    { type: "exit", exit_code: 0, reason: "exited" },
  ]);
}, 120_000);
