/** The daemon dies in the middle of an operation; the next one knows how that ended. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Operation } from "../../src/contract/operations.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { databasePath } from "../../src/store/store.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { Gate } from "../support/gate.ts";
import { operationsOf } from "../support/operations.ts";
import { until } from "../support/until.ts";

const namesOf = async (daemon: FakeDaemon) =>
  (await daemon.call<Sandbox[]>("GET", "/sandboxes")).body.map(({ name }) => name);

/** Requests the operation, and kills the daemon at its first step. */
async function dieDuring(daemon: FakeDaemon, gate: Gate, path: string, body?: object) {
  const release = gate.close();
  const begun = await daemon.fetch(path, {
    method: "POST",
    headers: { prefer: "respond-async" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const { id } = (await begun.json()) as Operation;
  await until("it is at its first step", () => daemon.engine.host.busy > 0);
  await daemon.kill();
  release();
  await daemon.start();
  return id;
}

/** As if the daemon had died right before it stored the end. */
async function forgetEnd(daemon: FakeDaemon, ...more: string[]): Promise<void> {
  await daemon.stop();
  using database = new Database(databasePath(daemon.dataDir));
  database.run("UPDATE operations SET state = 'running', ended_at = NULL, result = NULL");
  for (const sql of more) database.run(sql);
  await daemon.start();
}

const never = "The process exited during the operation";

test.each([
  ["create", "/sandboxes", { name: "new" }, "nothing was left behind"],
  ["snapshot", "/sandboxes/dev/checkpoint", { name: "ready" }, "nothing was left behind"],
  ["fork", "/sandboxes/dev/fork", { name: "try", count: 2 }, "nothing was left behind"],
  ["resume", "/snapshots/base/resume", { name: "copy" }, "nothing was left behind"],
  ["restore", "/snapshots/base/restore", { sandbox: "dev" }, "its sandbox is unchanged"],
  ["stop", "/sandboxes/dev/stop", undefined, "its sandbox is still running"],
])("an interrupted %s has failed with the remaining state", async (_, path, body, left) => {
  const gate = new Gate();
  await using daemon = await startFakeDaemon({ engine: gate.steps });
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/checkpoint", { name: "base" });
  const id = await dieDuring(daemon, gate, path, body);
  expect((await daemon.call<Operation>("GET", `/operations/${id}`)).body).toMatchObject({
    state: "failed",
    error: { code: "interrupted", message: `${never}: ${left}`, hint: "Try again" },
  });
  expect(await namesOf(daemon)).toEqual(["dev"]);
  expect((await daemon.call("GET", "/snapshots")).body).toMatchObject([{ name: "base" }]);
});

test.each([
  ["create", "/sandboxes", { name: "new" }],
  ["snapshot", "/sandboxes/dev/checkpoint", { name: "ready" }],
  ["fork", "/sandboxes/dev/fork", { name: "try", count: 2 }],
  ["resume", "/snapshots/base/resume", { name: "copy" }],
  ["restore", "/snapshots/base/restore", { sandbox: "dev" }],
  ["stop", "/sandboxes/dev/stop", undefined],
])("a %s with a result but no stored end has succeeded", async (_, path, body) => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/checkpoint", { name: "base" });
  const { status } = await daemon.call("POST", path, body);
  expect(status).toBeLessThan(300);
  const before = await operationsOf(daemon);
  await forgetEnd(daemon);
  const comparable = ({ id, state, result }: Operation) => ({ id, state, result });
  expect((await operationsOf(daemon)).map(comparable)).toEqual(before.map(comparable));
});

test("a stop with a suspended machine has succeeded, although its row was not updated", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", keep_hot: true });
  await daemon.call("POST", "/sandboxes/dev/stop");
  await forgetEnd(daemon, "UPDATE sandboxes SET status = 'running', thermal = 'hot'");
  expect((await daemon.call("GET", "/sandboxes/dev")).body).toMatchObject({ status: "stopped" });
  expect((await operationsOf(daemon))[0]).toMatchObject({
    kind: "sandbox.stop",
    state: "succeeded",
  });
});

test("a stop with a lost machine has failed with the reason", async () => {
  await using daemon = await startFakeDaemon();
  const { engine_id } = await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  const body = daemon.engine.machines.get(engine_id)?.body;
  body?.boot();
  body?.finish({ reason: "crashed", detail: "host reboot" });
  await forgetEnd(daemon, "UPDATE sandboxes SET status = 'running', thermal = 'hot'");
  expect((await operationsOf(daemon))[0]).toMatchObject({
    state: "failed",
    error: {
      code: "machine_lost",
      message: "memory lost: VM not running when the daemon started",
    },
  });
});

test("a fork of which some children are left says which", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/fork", { name: "try", count: 3 });
  await forgetEnd(daemon, "UPDATE sandboxes SET status = 'creating' WHERE name = 'try-2'");
  expect((await operationsOf(daemon))[0]).toMatchObject({
    state: "failed",
    error: { message: `${never}: created sandboxes: "try-1", "try-3"` },
  });
});

test("an operation that was pending has failed without a change", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  await daemon.call("POST", "/sandboxes/dev/start");
  await forgetEnd(daemon, "UPDATE operations SET state = 'pending'");
  expect((await operationsOf(daemon))[0]).toMatchObject({
    state: "failed",
    error: { message: "The process exited before the operation began: nothing was changed" },
  });
});

test("a daemon that shuts down ends what it runs: a create fails, a stop is finished", async () => {
  const gate = new Gate();
  await using daemon = await startFakeDaemon({ engine: { ...gate.steps, ...gate.creates } });
  await daemon.create({ name: "dev" });
  const release = gate.close();
  const headers = { prefer: "respond-async" };
  const body = JSON.stringify({ name: "new" });
  await daemon.fetch("/sandboxes", { method: "POST", headers, body });
  await daemon.fetch("/sandboxes/dev/stop", { method: "POST", headers });
  const stopping = daemon.stop();
  await until("it aborts the create", () => daemon.logged("sandbox not created"));
  release();
  await stopping;
  await daemon.start();
  expect(await operationsOf(daemon)).toMatchObject([
    { kind: "sandbox.stop", state: "succeeded" },
    {
      kind: "sandbox.create",
      state: "failed",
      error: { code: "shutting_down", message: "The daemon is shutting down" },
    },
    { kind: "sandbox.create", state: "succeeded" },
  ]);
});
