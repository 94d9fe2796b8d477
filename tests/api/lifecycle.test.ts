/** Stop, start and edit, as clients of the API see them. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";
import { recall, remember } from "../support/guest-commands.ts";
import { ManualClock } from "../support/manual-clock.ts";

const post = <T = Sandbox>(daemon: FakeDaemon, path: string, body?: unknown) =>
  daemon.call<T>("POST", path, body);
const get = async (daemon: FakeDaemon, ref: string) =>
  (await daemon.call<Sandbox>("GET", `/sandboxes/${ref}`)).body;
const edit = <T = Sandbox>(daemon: FakeDaemon, change: unknown, ref = "dev") =>
  daemon.call<T>("PATCH", `/sandboxes/${ref}`, change);

async function outputOf(daemon: FakeDaemon, ref: string, ...cmd: string[]): Promise<string> {
  const { status, body } = await post<{ stdout: string }>(daemon, `/sandboxes/${ref}/exec`, {
    cmd,
  });
  if (status !== 200) throw new Error(`exec: ${status} ${JSON.stringify(body)}`);
  return body.stdout;
}

test("stop and start are idempotent, and files stay", async () => {
  await using daemon = await startFakeDaemon();
  const content = Buffer.from("kept").toBase64();
  const { id } = await daemon.create({
    name: "dev",
    files: [{ guest_path: "/workspace/a", content }],
  });
  for (const ref of ["dev", id]) {
    const stopped = await post(daemon, `/sandboxes/${ref}/stop`);
    expect(stopped.status).toBe(200);
    expect(stopped.body).toMatchObject({ id, name: "dev", status: "stopped", thermal: "cold" });
    expect(Date.parse(stopped.body.stopped_at ?? "")).toBeGreaterThan(0);
  }
  expect(await daemon.events("sandbox.stopped")).toHaveLength(1);
  for (const body of [undefined, {}, { force: false }, { force: true }]) {
    const started = await post(daemon, "/sandboxes/dev/start", body);
    expect(started.status).toBe(200);
    expect(started.body).toMatchObject({ id, status: "running", thermal: "hot" });
    expect(started.body.stopped_at).toBeUndefined();
  }
  expect(await daemon.events("sandbox.started")).toHaveLength(1);
  expect(await outputOf(daemon, "dev", "cat", "/workspace/a")).toBe("kept");
});

test("exec wakes a stopped sandbox, looking at it does not", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await post(daemon, "/sandboxes/dev/stop");
  expect(await get(daemon, "dev")).toMatchObject({ status: "stopped", thermal: "cold" });
  const list = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(list.body).toMatchObject([{ status: "stopped", thermal: "cold" }]);
  expect(await outputOf(daemon, "dev", "hostname")).toBe("dev\n");
  expect(await get(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
});

test("of many stops, starts and execs at once all succeed, or say that a stop suspended the sandbox", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const calls = Array.from({ length: 30 }, (_, i) => {
    if (i % 3 === 0) return post(daemon, "/sandboxes/dev/stop");
    if (i % 3 === 1) return post(daemon, "/sandboxes/dev/start");
    return post(daemon, "/sandboxes/dev/exec", { cmd: ["true"] });
  });
  const replies = await Promise.all(calls);
  const failed = replies.filter(({ status }) => status !== 200);
  for (const { body } of failed) {
    expect(body).toMatchObject({
      code: "machine_lost",
      error: expect.stringMatching(/^Sandbox "dev" ended .* suspended$/),
    });
  }
  expect(failed.filter((reply) => replies.indexOf(reply) % 3 !== 2)).toEqual([]);
  expect(await outputOf(daemon, "dev", "hostname")).toBe("dev\n");
});

test("edit changes what it names, and nothing else", async () => {
  await using daemon = await startFakeDaemon();
  const before = await daemon.create({ name: "dev", labels: { a: "1", b: "2" } });
  const { status, body } = await edit(daemon, {
    name: "web",
    labels_add: { b: "3", c: "4" },
    labels_remove: ["a", "not-there"],
    keep_hot: true,
    idle_warm_s: 60,
    idle_cold_s: 0,
    ttl_s: 600,
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    id: before.id,
    name: "web",
    labels: { b: "3", c: "4" },
    keep_hot: true,
    idle_warm_s: 60,
    idle_cold_s: 0,
    expires_at: expect.stringMatching(/^\d{4}-.*Z$/),
    status: "running",
    created_at: before.created_at,
  });
  expect((await daemon.call("GET", "/sandboxes/dev")).status).toBe(404);
  expect(await outputOf(daemon, "web", "hostname")).toBe("dev\n");
  const back = { idle_warm_s: null, idle_cold_s: null, ttl_s: null, keep_hot: false };
  const again = await edit(daemon, back, "web");
  expect(again.body).toMatchObject({ name: "web", labels: { b: "3", c: "4" }, keep_hot: false });
  for (const field of ["idle_warm_s", "idle_cold_s", "expires_at"]) {
    expect(again.body).not.toHaveProperty(field);
  }
});

test("a rename to a taken name changes nothing, to the own one is no change", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.create({ name: "web" });
  const taken = await edit<Refusal>(daemon, { name: "web", keep_hot: true });
  expect(taken.status).toBe(409);
  expect(taken.body.code).toBe("name_taken");
  expect(await get(daemon, "dev")).toMatchObject({ name: "dev", keep_hot: false });
  expect((await edit(daemon, { name: "dev" })).body).toMatchObject({ name: "dev" });
  const bob = daemon.operator.users.create({ name: "bob" }).key;
  await daemon.call("POST", "/sandboxes", { name: "theirs" }, bob);
  expect((await edit(daemon, { name: "theirs" })).status).toBe(200);
});

test("edit wakes a sandbox only to keep it hot", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await post(daemon, "/sandboxes/dev/stop");
  const { body } = await edit(daemon, { labels_add: { a: "1" }, keep_hot: false });
  expect(body).toMatchObject({ status: "stopped", thermal: "cold" });
  expect((await edit(daemon, { keep_hot: true })).body).toMatchObject({
    status: "running",
    thermal: "hot",
  });
});

const nameRule =
  "must start with a letter or digit, followed by up to 62 letters, digits, dots, underscores or hyphens";
const labelRule =
  "must be 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit, with an optional prefix/";

test.each<[unknown, string]>([
  [{}, "body: must have at least one field to change"],
  [[], "body: must be an object"],
  [{ name: "-x" }, `name: ${nameRule} (got "-x")`],
  [{ name: null }, "body: must have at least one field to change"],
  [{ keep_hot: "yes" }, 'keep_hot: must be true or false (got "yes")'],
  [{ idle_warm_s: -1 }, "idle_warm_s: must be between 0 and 31536000 seconds (got -1)"],
  [{ idle_cold_s: 1.5 }, "idle_cold_s: must be a whole number of seconds (got 1.5)"],
  [{ idle_cold_s: "5m" }, 'idle_cold_s: must be a whole number of seconds (got "5m")'],
  [{ ttl_s: 31_536_001 }, "ttl_s: must be between 0 and 31536000 seconds (got 31536001)"],
  [{ labels_add: { a: "b c" } }, "labels_add.a: must be at most 256 letters, digits"],
  [
    { labels_add: { "bhatti.sh/x": "y" } },
    "labels_add.bhatti.sh/x: must not start with bhatti.sh/, which is reserved",
  ],
  [{ labels_remove: ["-a"] }, `labels_remove.0: ${labelRule} (got "-a")`],
  [
    { labels_remove: ["bhatti.sh/x"] },
    'labels_remove.0: must not start with bhatti.sh/, which is reserved (got "bhatti.sh/x")',
  ],
  [{ labels_remove: "a" }, "labels_remove: must be a list"],
  [{ cpus: 2 }, "cpus: unknown field"],
])("edit %j is refused", async (change, message) => {
  await using daemon = await startFakeDaemon();
  const before = await daemon.create({ name: "dev" });
  const { status, body } = await edit<Refusal>(daemon, change);
  expect(status).toBe(400);
  expect(body.code).toBe("bad_request");
  expect(body.error).toStartWith(message);
  expect(await get(daemon, "dev")).toMatchObject({ name: "dev", keep_hot: before.keep_hot });
});

test("labels are counted with those that are there", async () => {
  await using daemon = await startFakeDaemon();
  const labels = (prefix: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, "v"]));
  await daemon.create({ name: "dev", labels: labels("a", 10) });
  expect((await edit(daemon, { labels_add: labels("b", 7) })).status).toBe(400);
  const exchanged = { labels_add: labels("b", 7), labels_remove: ["a0"] };
  expect((await edit(daemon, exchanged)).status).toBe(200);
});

test.each([[{ ttl_s: -1 }, "ttl_s: must be between 0 and 31536000 seconds (got -1)"]])(
  "create %j is refused",
  async (request, message) => {
    await using daemon = await startFakeDaemon();
    const { status, body } = await daemon.call("POST", "/sandboxes", request);
    expect(status).toBe(400);
    expect(body.error).toBe(message);
  },
);

test("a body that is no JSON is refused also where none is needed", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const response = await daemon.fetch("/sandboxes/dev/start", { method: "POST", body: "{" });
  expect(response.status).toBe(400);
  for (const body of [[], { force: "yes" }, { fast: true }]) {
    expect((await post(daemon, "/sandboxes/dev/start", body)).status).toBe(400);
  }
});

test.each<[string, object]>([
  ["POST /stop", {}],
  ["POST /start", {}],
  ["POST /fork", {}],
  ["PATCH ", { keep_hot: true }],
])("another user's sandbox is as good as none: %s", async (call, body) => {
  const [method = "", verb] = call.split(" ");
  await using daemon = await startFakeDaemon();
  const { id } = await daemon.create({ name: "dev" });
  const { key } = daemon.operator.users.create({ name: "bob" });
  for (const ref of ["dev", id]) {
    const path = `/sandboxes/${ref}${verb}`;
    const reply = await daemon.call(method, path, body, key);
    expect(reply.status).toBe(404);
    expect(reply.body.code).toBe("sandbox_not_found");
  }
  expect(await get(daemon, "dev")).toMatchObject({ status: "running", keep_hot: false });
});

test("start --force gives up the memory only of a guest that does not answer", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  const { engine_id } = await daemon.create({ name: "dev" });
  await outputOf(daemon, "dev", ...remember("k", "1"));
  await daemon.pass(100_000);
  expect(await get(daemon, "dev")).toMatchObject({ thermal: "warm" });
  expect((await post(daemon, "/sandboxes/dev/start", { force: true })).status).toBe(200);
  expect(await outputOf(daemon, "dev", ...recall("k"))).toBe("1");
  const machine = daemon.engine.machines.get(engine_id);
  if (machine) machine.isDeaf = true;
  expect(await post(daemon, "/sandboxes/dev/start")).toMatchObject({
    status: 504,
    body: {
      code: "guest_unresponsive",
      error: 'The guest of sandbox "dev" did not respond within 5 s',
      hint: expect.stringContaining("bhatti start --force dev"),
    },
  });
  expect((await post(daemon, "/sandboxes/dev/start", { force: true })).status).toBe(200);
  expect(await outputOf(daemon, "dev", ...recall("k"))).toBe("");
});

test("a command for which a sandbox had to start from its disk is told so, and a stop keeps the reason", async () => {
  await using daemon = await startFakeDaemon();
  const { engine_id } = await daemon.create({ name: "dev" });
  const run = () =>
    post<{ warning?: string }>(daemon, "/sandboxes/dev/exec", { cmd: ["hostname"] });
  expect((await run()).body).not.toHaveProperty("warning");
  const crash = () =>
    daemon.engine.machines.get(engine_id)?.finish({ reason: "crashed", detail: "it was killed" });
  crash();
  const why = "VM crashed: it was killed";
  expect((await run()).body.warning).toBe(`booted from disk: ${why}`);
  expect((await run()).body).not.toHaveProperty("warning");
  crash();
  await daemon.settled();
  const stopped = await post(daemon, "/sandboxes/dev/stop");
  expect(stopped.body).toMatchObject({ status: "stopped", engine_meta: { reason: why } });
});
