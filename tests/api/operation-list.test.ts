/** Operations as clients of the API find them: by filter, by id, as tasks, for a day, and in the events. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Operation, Task } from "../../src/contract/operations.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { databasePath } from "../../src/store/store.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { Gate } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { beginOperation, operationOf, operationsOf } from "../support/operations.ts";

test("the list is newest first, and filtered by state, kind and target", async () => {
  const gate = new Gate();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const { id } = await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  gate.close();
  await beginOperation(daemon, "/sandboxes", { name: "new" });
  const found = async (query: string) =>
    (await operationsOf(daemon, query)).map(({ kind, target }) => `${kind} ${target.name}`);
  const [create, stop, made] = ["sandbox.create new", "sandbox.stop dev", "sandbox.create dev"];
  expect(await found("")).toEqual([create, stop, made]);
  expect(await found("?state=running")).toEqual([create]);
  expect(await found("?state=succeeded,running&kind=sandbox.create")).toEqual([create, made]);
  expect(await found("?state=succeeded&state=failed")).toEqual([stop, made]);
  expect(await found("?target=dev")).toEqual([stop, made]);
  expect(await found(`?target=${id}&kind=sandbox.stop`)).toEqual([stop]);
  expect(await found("?target=sandbox/dev&state=failed")).toEqual([]);
  expect(await daemon.call("GET", "/operations?state=over")).toMatchObject({
    status: 400,
    body: {
      error: 'state: must be one of pending, running, succeeded, failed, cancelled (got "over")',
    },
  });
});

test("another user's operation is not found, and neither listed nor cancelled", async () => {
  const gate = new Gate();
  gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const { body } = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  const { key } = daemon.operator.users.create({ name: "eve" });
  for (const method of ["GET", "DELETE"]) {
    for (const path of [`/operations/${body.id}`, `/tasks/${body.id}`]) {
      expect(await daemon.call(method, path, undefined, key)).toMatchObject({
        status: 404,
        body: { code: "operation_not_found" },
      });
    }
  }
  const { body: listed } = await daemon.call<Operation[]>("GET", "/operations", undefined, key);
  expect(listed).toEqual([]);
  expect(await operationOf(daemon, body.id)).toMatchObject({ state: "running" });
});

test("a task is an operation in the shape of earlier programs", async () => {
  const gate = new Gate();
  const release = gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const { body } = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  const { id, user_id, created_at } = body;
  const task = async () => (await daemon.call<Task>("GET", `/tasks/${id}`)).body;
  expect(await task()).toEqual({
    ...{ id, user_id, created_at, type: "sandbox.create" },
    ...{ status: "running", progress: "creating the VM", result: "" },
  });
  release();
  const { result, ended_at } = await operationOf(daemon, id, "?wait=60");
  expect(await task()).toEqual({
    ...{ id, user_id, created_at, type: "sandbox.create" },
    ...{ status: "completed", progress: "", completed_at: ended_at ?? "" },
    result: JSON.stringify(result),
  });
});

test("a cancelled task has failed", async () => {
  const gate = new Gate();
  gate.close();
  await using daemon = await startFakeDaemon({ engine: gate.creates });
  const { body } = await beginOperation(daemon, "/sandboxes", { name: "dev" });
  expect((await daemon.call("DELETE", `/tasks/${body.id}`)).body).toEqual({
    status: "cancelled",
  } as never);
  expect((await daemon.call("GET", `/tasks/${body.id}`)).body).toMatchObject({
    status: "failed",
    error: `Operation ${body.id} was cancelled`,
  });
});

test("an operation is gone a day after its end", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev", keep_hot: true });
  const [operation] = await operationsOf(daemon);
  await daemon.pass(23 * 3_600_000);
  expect(await operationsOf(daemon)).toHaveLength(1);
  await daemon.pass(2 * 3_600_000);
  expect(await operationsOf(daemon)).toEqual([]);
  expect((await daemon.call("GET", `/operations/${operation?.id}`)).status).toBe(404);
});

test("a user has at most 100 unfinished operations", async () => {
  const gate = new Gate();
  gate.close();
  const user = { maxSandboxes: 200 };
  await using daemon = await startFakeDaemon({ engine: gate.creates, user });
  for (let count = 0; count < 100; count += 1) await beginOperation(daemon, "/sandboxes", {});
  expect(await beginOperation(daemon, "/sandboxes", {})).toMatchObject({
    status: 429,
    body: {
      code: "operation_limit",
      error: "operation limit reached (100/100 unfinished)",
    },
  });
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes")).body).toHaveLength(100);
});

test("start, progress and end are events", async () => {
  await using daemon = await startFakeDaemon();
  const { id } = await daemon.create({ name: "dev" });
  const [operation] = await operationsOf(daemon);
  const about = { operation: operation?.id, kind: "sandbox.create", target: "sandbox/dev" };
  const [started] = await daemon.events("operation.started");
  expect(started?.sandbox_id).toBe(id);
  expect(JSON.parse(started?.meta ?? "")).toEqual(about);
  const [progress] = await daemon.events("operation.progress");
  expect(JSON.parse(progress?.meta ?? "")).toEqual({ ...about, progress: "creating the VM" });
  const [ended] = await daemon.events("operation.ended");
  expect(JSON.parse(ended?.meta ?? "")).toEqual({
    ...about,
    state: "succeeded",
    ms: expect.any(Number),
  });
});

test("a user's newest 500 operations are retained", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  const { created_by } = await daemon.create({ name: "dev", keep_hot: true });
  using database = new Database(databasePath(daemon.dataDir));
  const columns =
    "kind, user_id, target_kind, target_id, target_name, state, progress, state_before, runner, deadline, result, error, created_at, started_at, ended_at";
  database.run(
    `INSERT INTO operations (id, ${columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
     SELECT 'op_' || i, ${columns} FROM operations, n WHERE user_id = ?`,
    [created_by],
  );
  await daemon.pass(60_000);
  const operations = await operationsOf(daemon);
  expect(operations).toHaveLength(500);
  expect(operations[0]?.id).toBe("op_600");
});
