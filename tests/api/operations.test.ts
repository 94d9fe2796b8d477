/** Long work as clients of the API see it: accepted, waited for, cancelled. */
import { expect, test } from "bun:test";
import type { Operation } from "../../src/contract/operations.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";
import { Gate } from "../support/gate.ts";
import { beginOperation, operationOf, operationsOf } from "../support/operations.ts";
import { until } from "../support/until.ts";

test("a create names its operation, which has succeeded when it answers", async () => {
  await using daemon = await startFakeDaemon();
  const { status, headers, body } = await daemon.call<Sandbox>("POST", "/sandboxes", {
    name: "dev",
  });
  expect(status).toBe(201);
  const id = headers.get("x-bhatti-operation") ?? "";
  expect(id).toMatch(/^op_[0-9a-f]{16}$/);
  const operation = await operationOf(daemon, id);
  expect(operation).toEqual({
    id,
    kind: "sandbox.create",
    user_id: body.created_by,
    target: { kind: "sandbox", id: body.id, name: "dev" },
    state: "succeeded",
    progress: "",
    deadline: expect.any(String),
    created_at: expect.any(String),
    started_at: expect.any(String),
    ended_at: expect.any(String),
    result: { sandboxes: [{ id: body.id, name: "dev" }] },
  });
  const again = await daemon.call("POST", "/sandboxes", { name: "dev" });
  expect(again.headers.get("x-bhatti-existing")).toBe("true");
  expect(again.headers.get("x-bhatti-operation")).toBeNull();
});

test("every kind of operation is recorded under its target", async () => {
  await using daemon = await startFakeDaemon();
  const { id } = await daemon.create({ name: "dev" });
  const post = async (path: string, body?: object) => {
    const { status, headers } = await daemon.call("POST", path, body);
    expect(status).toBeLessThan(300);
    return await operationOf(daemon, headers.get("x-bhatti-operation") ?? "");
  };
  const snapshot = await post("/sandboxes/dev/checkpoint", { name: "ready" });
  const { body: ready } = await daemon.call<Snapshot>("GET", "/snapshots/ready");
  expect(snapshot).toMatchObject({
    kind: "snapshot.create",
    target: { kind: "snapshot", id: ready.id, name: "ready" },
    state: "succeeded",
    result: { snapshot: { id: ready.id, name: "ready", size_mb: ready.size_mb } },
  });
  const sandbox = { kind: "sandbox", id, name: "dev" };
  expect(await post("/sandboxes/dev/fork", { name: "try", count: 2 })).toMatchObject({
    kind: "sandbox.fork",
    target: sandbox,
    state: "succeeded",
    result: { sandboxes: [{ name: "try-1" }, { name: "try-2" }] },
  });
  expect(await post("/snapshots/ready/resume", { name: "copy" })).toMatchObject({
    kind: "snapshot.resume",
    target: { kind: "sandbox", name: "copy" },
    state: "succeeded",
    result: { sandboxes: [{ name: "copy" }] },
  });
  expect(await post("/snapshots/ready/restore", { sandbox: "dev" })).toMatchObject({
    kind: "snapshot.restore",
    target: sandbox,
    state: "succeeded",
  });
  expect(await post("/sandboxes/dev/stop")).toMatchObject({
    kind: "sandbox.stop",
    target: sandbox,
    state: "succeeded",
  });
});

test("a failed create answers with the error that its operation keeps", async () => {
  await using daemon = await startFakeDaemon();
  daemon.addImage("broken", 64);
  const request = { name: "dev", image: "broken" };
  const { status, headers, body } = await daemon.call<Refusal>("POST", "/sandboxes", request);
  expect(status).toBe(500);
  const operation = await operationOf(daemon, headers.get("x-bhatti-operation") ?? "");
  expect(operation).toMatchObject({
    state: "failed",
    error: { code: "machine_failed", message: body.error, hint: expect.any(String) },
  });
  expect(operation.result).toBeUndefined();
});

test("a refused request starts no operation", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 1 } });
  await daemon.create({ name: "dev" });
  const refused = await beginOperation(daemon, "/sandboxes", { name: "other" });
  expect(refused).toMatchObject({ status: 429, body: { code: "sandbox_limit" } });
  expect(refused.headers.get("x-bhatti-operation")).toBeNull();
  expect((await beginOperation(daemon, "/sandboxes/nobody/stop")).status).toBe(404);
  expect(await operationsOf(daemon)).toHaveLength(1);
});

test("a client that prefers not to wait gets 202 and the operation, and may wait for it later", async () => {
  const gate = new Gate();
  const release = gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const { status, headers, body } = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  expect(status).toBe(202);
  expect(body).toMatchObject({ kind: "sandbox.create", state: "running" });
  expect(headers.get("location")).toBe(`/operations/${body.id}`);
  expect(headers.get("preference-applied")).toBe("respond-async");
  expect(headers.get("x-bhatti-operation")).toBe(body.id);
  expect(await operationOf(daemon, body.id, "?wait=0.05")).toMatchObject({
    state: "running",
    progress: "creating the VM",
  });
  const waiting = operationOf(daemon, body.id, "?wait=60");
  release();
  expect(await waiting).toMatchObject({ state: "succeeded" });
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.status).toBe("running");
});

test("a second create of a name joins the operation of the first", async () => {
  const gate = new Gate();
  const release = gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const first = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  const second = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  expect(second).toMatchObject({ status: 202, body: { id: first.body.id } });
  const third = daemon.call<Sandbox>("POST", "/sandboxes", { name: "dev" });
  await until("the third waits", () =>
    daemon.logged("create waits for another create of the same name"),
  );
  release();
  const { status, headers } = await third;
  expect(status).toBe(200);
  expect(headers.get("x-bhatti-operation")).toBe(first.body.id);
});

test("a fork joins the operation that creates a sandbox of its name, and a create that of a fork", async () => {
  const gate = new Gate();
  await using daemon = await startFakeDaemon({ engine: { ...gate.creates, ...gate.steps } });
  await daemon.create({ name: "base" });
  const release = gate.close();
  const create = { name: "dev" };
  const fork = { name: "dev", from: "base" };
  const created = await beginOperation(daemon, "/sandboxes", create);
  expect(await beginOperation(daemon, "/sandboxes", fork)).toMatchObject({
    status: 202,
    body: { id: created.body.id, kind: "sandbox.create" },
  });
  const other = { name: "other", from: "base" };
  const forked = await beginOperation(daemon, "/sandboxes", other);
  expect(forked.body.kind).toBe("sandbox.fork");
  for (const request of [other, { name: "other" }]) {
    expect(await beginOperation(daemon, "/sandboxes", request)).toMatchObject({
      status: 202,
      body: { id: forked.body.id },
    });
  }
  release();
  for (const { body } of [created, forked]) {
    const ended = await operationOf(daemon, body.id, "?wait=60");
    expect(ended).toMatchObject({ state: "succeeded" });
  }
});

test("a cancelled create leaves nothing behind, and its client gets the reason", async () => {
  const gate = new Gate();
  gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const creating = daemon.call<Refusal>("POST", "/sandboxes", { name: "dev" });
  const running = async () => (await operationsOf(daemon))[0];
  await until("the operation runs", async () => (await running())?.state === "running");
  const id = (await running())?.id ?? "";
  const cancelled = await daemon.call<Operation>("DELETE", `/operations/${id}`);
  expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled" } });
  expect(await creating).toMatchObject({
    status: 499,
    body: { code: "cancelled", error: `Operation ${id} was cancelled` },
  });
  expect((await daemon.call("GET", "/sandboxes")).body).toEqual([] as never);
  expect(daemon.engine.machines.size).toBe(0);
  const again = await daemon.call<Operation>("DELETE", `/operations/${id}`);
  expect(again).toMatchObject({ status: 200, body: { state: "cancelled" } });
});

test("a pending operation is cancelled at once, and the running one continues", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using daemon = await startFakeDaemon({ engine: { onCapture: () => promise } });
  await daemon.create({ name: "dev" });
  const snapshot = await beginOperation(daemon, "/sandboxes/dev/checkpoint", { name: "ready" });
  const stop = await beginOperation(daemon, "/sandboxes/dev/stop");
  expect(stop.body).toMatchObject({
    state: "pending",
    progress: "waiting for another operation on the target",
  });
  expect(stop.body.started_at).toBeUndefined();
  const cancelled = await daemon.call<Operation>("DELETE", `/operations/${stop.body.id}`);
  expect(cancelled.body).toMatchObject({ state: "cancelled" });
  expect(await operationOf(daemon, snapshot.body.id)).toMatchObject({ state: "running" });
  resolve();
  expect(await operationOf(daemon, snapshot.body.id, "?wait=60")).toMatchObject({
    state: "succeeded",
  });
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.status).toBe("running");
});

test("a client that goes away cancels its create, but not its stop", async () => {
  const [creates, stops] = [new Gate(), new Gate()];
  await using daemon = await startFakeDaemon({ engine: { ...creates.creates, ...stops.steps } });
  await daemon.create({ name: "dev" });
  creates.close();
  const gone = new AbortController();
  const post = (path: string, body = "{}") =>
    daemon.fetch(path, { method: "POST", body, signal: gone.signal }).catch(() => undefined);
  const create = post("/sandboxes", JSON.stringify({ name: "new" }));
  await until(
    "the create runs",
    async () => (await operationsOf(daemon, "?target=new")).length > 0,
  );
  const release = stops.close();
  const stop = post("/sandboxes/dev/stop");
  await until(
    "the stop runs",
    async () => (await operationsOf(daemon, "?kind=sandbox.stop")).length > 0,
  );
  gone.abort();
  await Promise.all([create, stop]);
  release();
  const [made] = await operationsOf(daemon, "?target=new");
  const end = await operationOf(daemon, made?.id ?? "", "?wait=60");
  expect(end).toMatchObject({
    state: "cancelled",
    error: { message: 'Creating sandbox "new" was cancelled: the client disconnected' },
  });
  const [stopped] = await operationsOf(daemon, "?kind=sandbox.stop");
  expect(await operationOf(daemon, stopped?.id ?? "", "?wait=60")).toMatchObject({
    state: "succeeded",
  });
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.status).toBe("stopped");
});

test("a destroy ends the running operation of its sandbox, and those that wait fail at once", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using daemon = await startFakeDaemon({ engine: { onCapture: () => promise } });
  await daemon.create({ name: "dev" });
  const snapshot = await beginOperation(daemon, "/sandboxes/dev/checkpoint", { name: "ready" });
  const stop = await beginOperation(daemon, "/sandboxes/dev/stop");
  const destroying = daemon.call("DELETE", "/sandboxes/dev");
  await until("the destroy waits", () => daemon.logged("destroy waits"));
  resolve();
  expect((await destroying).status).toBe(200);
  expect(await operationOf(daemon, snapshot.body.id)).toMatchObject({
    state: "cancelled",
    error: { message: 'Sandbox "dev" was destroyed' },
  });
  expect(await operationOf(daemon, stop.body.id)).toMatchObject({
    state: "failed",
    error: { code: "sandbox_not_found" },
  });
});

test("an operation that has ended cannot be cancelled", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const [operation] = await operationsOf(daemon);
  const refused = await daemon.call("DELETE", `/operations/${operation?.id}`);
  expect(refused).toMatchObject({
    status: 409,
    body: { code: "operation_ended", error: `Operation ${operation?.id} has already succeeded` },
  });
});
