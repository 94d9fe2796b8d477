import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { pause } from "../../src/async/deadline.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { until } from "../support/until.ts";

test("a sandbox is created, shown, listed and destroyed", async () => {
  await using daemon = await startFakeDaemon();
  const request = { name: "dev", labels: { team: "core" } };
  const created = await daemon.call<Sandbox>("POST", "/sandboxes", request);
  expect(created.status).toBe(201);
  expect(created.headers.get("x-bhatti-version")).toBe("1.2.3");
  expect(created.headers.get("x-bhatti-existing")).toBeNull();
  expect(created.body).toMatchObject({
    name: "dev",
    status: "running",
    thermal: "hot",
    cpus: 1,
    memory_mb: 1024,
    disk_size_mb: 64,
    image: "tiny",
    labels: { team: "core" },
  });
  expect(created.body.id).toMatch(/^[0-9a-f]{16}$/);

  const byName = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  const byId = await daemon.call<Sandbox>("GET", `/sandboxes/${created.body.id}`);
  const withUsage = { ...created.body, usage: expect.any(Object) };
  expect(byName.body).toEqual(withUsage);
  expect(byId.body).toEqual(withUsage);
  const list = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(list.body).toEqual([created.body]);

  const destroyed = await daemon.call<object>("DELETE", "/sandboxes/dev");
  expect(destroyed.status).toBe(200);
  expect(destroyed.body).toEqual({ status: "destroyed" });
  const gone = await daemon.call("GET", "/sandboxes/dev");
  expect(gone.status).toBe(404);
  expect(gone.body).toMatchObject({ error: "sandbox not found", code: "sandbox_not_found" });
  expect(daemon.engine.machines.size).toBe(0);
  const [event] = await daemon.events("sandbox.destroyed");
  expect(JSON.parse(event?.meta ?? "")).toEqual({ name: "dev", lifetime_s: expect.any(Number) });
  const [booted] = await daemon.events("sandbox.booted");
  expect(booted?.sandbox_id).toBe(created.body.id);
  expect(JSON.parse(booted?.meta ?? "")).toEqual({
    machine: created.body.engine_id,
    origin: "booted",
    steps: { make: expect.any(Number) },
    files: 0,
    ms: expect.any(Number),
  });
});

test("everything that was asked for reaches the machine and comes back", async () => {
  await using daemon = await startFakeDaemon();
  daemon.addImage("big", 512);
  const sandbox = await daemon.create({
    image: "big",
    cpus: 2,
    memory_mb: 256,
    disk_size_mb: 2048,
    env: { GREETING: "hi" },
    keep_hot: true,
  });
  expect(sandbox.name).toMatch(/^sandbox-[0-9a-f]{6}$/);
  expect(sandbox).toMatchObject({
    image: "big",
    cpus: 2,
    memory_mb: 256,
    disk_size_mb: 2048,
    keep_hot: true,
  });
  expect(daemon.machine.spec).toMatchObject({ cpus: 2, memoryMB: 256, diskSizeMB: 2048 });
  expect(daemon.machine.spec.image.path).toBe(`${daemon.dataDir}/images/big.ext4`);
  const env = await daemon.call("POST", `/sandboxes/${sandbox.id}/exec`, {
    cmd: ["printenv", "GREETING"],
  });
  expect(env.body).toMatchObject({ stdout: "hi\n" });
  const hostname = await daemon.call("POST", `/sandboxes/${sandbox.id}/exec`, {
    cmd: ["hostname"],
  });
  expect(hostname.body).toMatchObject({ stdout: `${sandbox.name}\n` });
});

test("0 means the default", async () => {
  await using daemon = await startFakeDaemon();
  const sandbox = await daemon.create({ memory_mb: 0, disk_size_mb: 0, image: "" });
  expect(sandbox).toMatchObject({ memory_mb: 1024, disk_size_mb: 64, image: "tiny" });
});

test("files belong to lohar and exist before the init script starts", async () => {
  await using daemon = await startFakeDaemon();
  const content = Buffer.from("hello").toBase64();
  await daemon.create({
    name: "dev",
    init: "cp /etc/motd copy",
    files: [{ guest_path: "/etc/motd", content, mode: "0640" }],
  });
  const file = statSync(daemon.onDisk("etc/motd"));
  expect([file.mode & 0o7777, file.uid]).toEqual([0o640, 1000]);
  await until("the script has copied it", () => existsSync(daemon.onDisk("workspace/copy")));
});

test("labels filter, and several are ANDed", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "a", labels: { app: "web", tier: "1" } });
  await daemon.create({ name: "b", labels: { app: "web", tier: "2" } });
  const names = async (query: string) => {
    const { body } = await daemon.call<Sandbox[]>("GET", `/sandboxes?${query}`);
    return body.map((sandbox) => sandbox.name);
  };
  expect(await names("label=app=web")).toEqual(["a", "b"]);
  expect(await names("label=app=web&label=tier=2")).toEqual(["b"]);
  expect(await names("label=app=other")).toEqual([]);
  for (const bad of ["label=app", "label==x", "label=bhatti.sh/x=y", "label=-a=b"]) {
    const { status, body } = await daemon.call("GET", `/sandboxes?${bad}`);
    expect(status).toBe(400);
    expect(body.error).toStartWith("label: must be key=value");
  }
});

test("an existing name gives the existing sandbox", async () => {
  await using daemon = await startFakeDaemon();
  const first = await daemon.create({ name: "dev" });
  const again = await daemon.call<Sandbox>("POST", "/sandboxes", { name: "dev", cpus: 2 });
  expect(again.status).toBe(200);
  expect(again.headers.get("x-bhatti-existing")).toBe("true");
  expect(again.body).toEqual(first);
});

test("of two creates of one name at once the second waits and gets the first one's sandbox", async () => {
  await using daemon = await startFakeDaemon({ engine: { createMilliseconds: 100 } });
  const create = () => daemon.call<Sandbox>("POST", "/sandboxes", { name: "dev" });
  const replies = await Promise.all([create(), create(), create()]);
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
  expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1);
  expect(replies.every(({ body }) => body.status === "running")).toBeTrue();
  expect(daemon.engine.machines.size).toBe(1);
});

test("or the first one's error, and then nothing is left", async () => {
  const allowed = Promise.withResolvers<void>();
  await using daemon = await startFakeDaemon({ engine: { onCreate: () => allowed.promise } });
  daemon.addImage("broken", 64);
  const create = () => daemon.call("POST", "/sandboxes", { name: "dev", image: "broken" });
  const both = Promise.all([create(), create()]);
  await until("the second waits", () =>
    daemon.logged("create waits for another create of the same name"),
  );
  allowed.resolve();
  const replies = await both;
  for (const { status, body } of replies) {
    expect(status).toBe(500);
    expect(body).toMatchObject({ code: "machine_failed", error: 'Image "broken" does not boot' });
  }
  const list = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(list.body).toEqual([]);
  expect(daemon.engine.machines.size).toBe(0);
  expect(await daemon.events("sandbox.create_failed")).toHaveLength(1);
});

test("a file that cannot be written fails the create and leaves nothing", async () => {
  await using daemon = await startFakeDaemon();
  const { status, body } = await daemon.call("POST", "/sandboxes", {
    name: "dev",
    files: [{ guest_path: "/etc/", content: "" }],
  });
  expect(status).toBe(400);
  expect(body.error).toBe("Cannot write '/etc/': Is a directory");
  expect((await daemon.call("GET", "/sandboxes/dev")).status).toBe(404);
  expect(daemon.engine.machines.size).toBe(0);
});

test("a client that goes away leaves no sandbox, and who waits for the name gets one", async () => {
  let isFirst = true;
  const onCreate = async (_spec: unknown, signal: AbortSignal) => {
    const hangs = isFirst;
    isFirst = false;
    if (hangs) await pause(600_000, signal);
  };
  await using daemon = await startFakeDaemon({ engine: { onCreate } });
  const leaving = new AbortController();
  const first = daemon
    .fetch("/sandboxes", { method: "POST", body: '{"name":"dev"}', signal: leaving.signal })
    .catch(() => undefined);
  await until("the row is there", async () => {
    const { body } = await daemon.call<Sandbox[]>("GET", "/sandboxes");
    return body[0]?.status === "creating";
  });
  const second = daemon.call<Sandbox>("POST", "/sandboxes", { name: "dev" });
  await until("the second waits", () =>
    daemon.logged("create waits for another create of the same name"),
  );
  leaving.abort();
  await first;
  expect((await second).status).toBe(201);
  expect(daemon.engine.machines.size).toBe(1);
});

test("destroy of a sandbox that is being made cancels that", async () => {
  await using daemon = await startFakeDaemon({ engine: { createMilliseconds: 600_000 } });
  const creating = daemon.call("POST", "/sandboxes", { name: "dev" });
  await until("the row is there", async () => {
    const { body } = await daemon.call<Sandbox[]>("GET", "/sandboxes");
    return body.length === 1;
  });
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
  const { status, body } = await creating;
  expect(status).toBe(499);
  expect(body.error).toBe('Sandbox "dev" was destroyed');
  expect(daemon.engine.machines.size).toBe(0);
});

test("destroying twice at once is as good as once", async () => {
  const allowed = Promise.withResolvers<void>();
  await using daemon = await startFakeDaemon({ engine: { onDestroy: () => allowed.promise } });
  await daemon.create({ name: "dev" });
  const all = Promise.all([1, 2, 3].map(() => daemon.call("DELETE", "/sandboxes/dev")));
  const waiting = () => daemon.logLines.filter((line) => line.includes("destroy waits")).length;
  await until("the other two wait", () => waiting() === 2);
  allowed.resolve();
  const replies = await all;
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(daemon.engine.machines.size).toBe(0);
  expect(await daemon.events("sandbox.destroyed")).toHaveLength(1);
});

test("a create while the name is being destroyed waits for it and makes a new one", async () => {
  const begun = Promise.withResolvers<void>();
  const allowed = Promise.withResolvers<void>();
  const onDestroy = async () => {
    begun.resolve();
    await allowed.promise;
  };
  await using daemon = await startFakeDaemon({ engine: { onDestroy } });
  const old = await daemon.create({ name: "dev" });
  const destroying = daemon.call("DELETE", "/sandboxes/dev");
  await begun.promise;
  const making = daemon.create({ name: "dev" });
  await until("it waits", () => daemon.logged("create waits for a destroy of the same name"));
  allowed.resolve();
  expect((await making).id).not.toBe(old.id);
  expect((await destroying).status).toBe(200);
});

test("a destroy that fails says why, and can be tried again", async () => {
  let failures = 1;
  const onDestroy = () => {
    if (failures-- > 0) throw new Error("device busy");
  };
  await using daemon = await startFakeDaemon({ engine: { onDestroy } });
  await daemon.create({ name: "dev" });
  const failed = await daemon.call("DELETE", "/sandboxes/dev");
  expect(failed.status).toBe(500);
  expect(failed.body.error).toBe("internal error");
  expect(failed.body.request_id).toMatch(/^req_[0-9a-f]{16}$/);
  const line = daemon.logLines.find((text) => text.includes("device busy"));
  expect(line).toContain(failed.body.request_id);
  const { body } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(body.status).toBe("unknown");
  expect(body.engine_meta["reason"]).toBe("destroy failed: device busy");
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
});

test("a machine that is powered off from inside is stopped, and says so", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/exec", {
    cmd: ["sh", "-c", "kill -TERM 1"],
    user: "root",
  });
  await daemon.machine.ended;
  const { body } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(body).toMatchObject({ status: "stopped", thermal: "cold" });
  expect(body.engine_meta["reason"]).toBe("powered off: the guest shut down");
  expect(Date.parse(body.stopped_at ?? "")).toBeGreaterThan(Date.parse(body.created_at));
  const exec = await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] });
  expect(exec.status).toBe(200);
  const started = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(started.body).toMatchObject({ status: "running", thermal: "hot" });
  expect(started.body.engine_meta["reason"]).toBe(
    "booted from disk: powered off: the guest shut down",
  );
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
});

test("a machine that crashes leaves its sandbox unknown, with the detail", async () => {
  await using daemon = await startFakeDaemon();
  const sandbox = await daemon.create({ name: "dev" });
  daemon.machine.finish({ reason: "crashed", detail: "kernel panic" });
  const { body } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(body.status).toBe("unknown");
  expect(body.thermal).toBeUndefined();
  expect(body.engine_meta["reason"]).toContain("kernel panic");
  const [event] = await daemon.events("sandbox.crashed");
  expect(event?.sandbox_id).toBe(sandbox.id);
  expect(daemon.logLines.some((line) => line.includes("machine crashed"))).toBeTrue();
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
});
