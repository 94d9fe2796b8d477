/** Copies of a sandbox that go on from where it is, as clients of the API see them. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { BhattiError } from "../../src/errors/bhatti-error.ts";
import { databasePath } from "../../src/store/store.ts";
import { type FakeDaemon, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";

const fork = <T = Sandbox[]>(daemon: FakeDaemon, body?: unknown) =>
  daemon.call<T>("POST", "/sandboxes/dev/fork", body);

async function outputOf(daemon: FakeDaemon, ref: string, ...cmd: string[]): Promise<string> {
  const { body } = await daemon.call<{ stdout: string }>("POST", `/sandboxes/${ref}/exec`, { cmd });
  return body.stdout;
}

test("a fork goes on from its source, under a name of its own", async () => {
  await using daemon = await startFakeDaemon();
  const content = Buffer.from("from dev").toBase64();
  const source = await daemon.create({
    name: "dev",
    labels: { team: "core" },
    files: [{ guest_path: "/workspace/a", content }],
  });
  const { status, body } = await fork(daemon, {
    name: "copy",
    labels: { kind: "fork" },
  });
  expect(status).toBe(201);
  expect(body).toMatchObject([
    {
      name: "copy",
      status: "running",
      thermal: "hot",
      cpus: source.cpus,
      memory_mb: source.memory_mb,
      disk_size_mb: source.disk_size_mb,
      image: source.image,
    },
  ]);
  expect(body[0]?.labels).toEqual({ kind: "fork" });
  expect(body[0]?.id).not.toBe(source.id);
  expect(await outputOf(daemon, "copy", "hostname")).toBe("copy\n");
  expect(await outputOf(daemon, "copy", "cat", "/workspace/a")).toBe("from dev");
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body).toMatchObject({
    id: source.id,
    status: "running",
  });
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
  expect(await outputOf(daemon, "copy", "cat", "/workspace/a")).toBe("from dev");
});

test("a create with `from` forks, and gives the existing sandbox of that name", async () => {
  await using daemon = await startFakeDaemon();
  const content = Buffer.from("from dev").toBase64();
  await daemon.create({
    name: "dev",
    cpus: 2,
    labels: { team: "core" },
    files: [{ guest_path: "/workspace/a", content }],
  });
  const create = (request: object) => daemon.call<Sandbox>("POST", "/sandboxes", request);
  const asked = { from: "dev", name: "copy", ttl_s: 60, image: "", cpus: 0, files: null };
  const first = await create(asked);
  expect(first.status).toBe(201);
  expect(first.body).toMatchObject({ name: "copy", cpus: 2, labels: { team: "core" } });
  expect(first.body.expires_at).toBeDefined();
  expect(await outputOf(daemon, "copy", "cat", "/workspace/a")).toBe("from dev");
  const again = await create(asked);
  expect(again.status).toBe(200);
  expect(again.headers.get("x-bhatti-existing")).toBe("true");
  expect(again.body.id).toBe(first.body.id);
  const both = await Promise.all([1, 2].map(() => create({ from: "dev", name: "other" })));
  expect(both.map(({ status }) => status).sort()).toEqual([200, 201]);
  expect(new Set(both.map(({ body }) => body.id)).size).toBe(1);
  expect((await create({ from: "dev" })).body.name).toMatch(/^dev-[0-9a-f]{6}$/);
  expect((await create({ from: "nope", name: "x" })).body).toMatchObject({
    code: "sandbox_not_found",
  });
});

test("a count makes numbered forks, a name or none", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", labels: { team: "core" } });
  const numbered = await fork(daemon, { name: "try", count: 3 });
  expect(numbered.body.map(({ name }) => name)).toEqual(["try-1", "try-2", "try-3"]);
  const unnamed = (await fork(daemon, { count: 2 })).body;
  expect(new Set(unnamed.map(({ name }) => name)).size).toBe(2);
  expect((await fork(daemon)).body).toMatchObject([{ labels: { team: "core" } }]);
});

test("forks whose names are taken are none at all", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.create({ name: "try-2" });
  for (const request of [{ name: "dev" }, { name: "try", count: 3 }]) {
    const { status, body } = await fork<Refusal>(daemon, request);
    expect(status).toBe(409);
    expect(body.code).toBe("name_taken");
  }
  const list = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(list.body.map(({ name }) => name).sort()).toEqual(["dev", "try-2"]);
});

test("forks count as sandboxes, all or none", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 3 } });
  await daemon.create({ name: "dev" });
  const refused = await fork<Refusal>(daemon, { name: "try", count: 3 });
  expect(refused.status).toBe(429);
  expect(refused.body.code).toBe("sandbox_limit");
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes")).body).toHaveLength(1);
  expect((await fork(daemon, { name: "try", count: 2 })).status).toBe(201);
});

const nameRule =
  "must start with a letter or digit, followed by up to 62 letters, digits, dots, underscores or hyphens";

test.each([
  [{ count: -1 }, "count: must be between 1 and 64 (got -1)"],
  [{ count: 65 }, "count: must be between 1 and 64 (got 65)"],
  [{ count: 1.5 }, "count: must be a whole number (got 1.5)"],
  [{ name: "-x" }, `name: ${nameRule} (got "-x")`],
  [
    { name: "a".repeat(62), count: 10 },
    `name: must leave room for -1, -2, … within 63 characters (got "${"a".repeat(62)}")`,
  ],
  [{ labels: { a: "b c" } }, "labels.a: must be at most 256 letters, digits, '.', '_' or '-'"],
  [{ cpus: 2 }, "cpus: unknown field"],
])("fork %j is refused", async (request, message) => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const { status, body } = await fork<Refusal>(daemon, request);
  expect(status).toBe(400);
  expect(body.error).toStartWith(message);
});

test("a fork that fails leaves no child, also when one of them cannot be given back at once", async () => {
  const onCapture = () => {
    using database = new Database(databasePath(daemon.dataDir));
    database.run(
      "CREATE TRIGGER hold BEFORE DELETE ON sandboxes WHEN old.name = 'try-1' BEGIN SELECT RAISE(FAIL, 'held'); END",
    );
    throw new BhattiError("guest_busy", "not now");
  };
  await using daemon = await startFakeDaemon({ engine: { onCapture } });
  await daemon.create({ name: "dev" });
  expect((await fork<Refusal>(daemon, { name: "try", count: 3 })).body.code).toBe("guest_busy");
  const names = async () =>
    (await daemon.call<Sandbox[]>("GET", "/sandboxes")).body.map(({ name }) => name).sort();
  expect(await names()).toEqual(["dev", "try-1"]);
  using database = new Database(databasePath(daemon.dataDir));
  database.run("DROP TRIGGER hold");
  await daemon.restart();
  expect(await names()).toEqual(["dev"]);
});

test("a child that is still being made cannot be used; destroyed, it takes the fork with it", async () => {
  const { promise: captured, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const onCapture = () => {
    begin();
    return captured;
  };
  await using daemon = await startFakeDaemon({ engine: { onCapture } });
  await daemon.create({ name: "dev" });
  const forked = fork<Refusal>(daemon, { name: "try", count: 2 });
  await begun;
  for (const call of ["stop", "start", "checkpoint", "fork", "exec"]) {
    const body = { checkpoint: { name: "s" }, exec: { cmd: ["true"] }, start: { force: true } };
    const given = body[call as keyof typeof body];
    const reply = await daemon.call("POST", `/sandboxes/try-1/${call}`, given);
    expect(reply.status).toBe(409);
    expect(reply.body.code).toBe("sandbox_not_running");
  }
  expect((await daemon.call("DELETE", "/sandboxes/try-2")).status).toBe(200);
  goOn();
  expect((await forked).body.code).toBe("cancelled");
  const list = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(list.body.map(({ name }) => name)).toEqual(["dev"]);
  expect(daemon.engine.machines.size).toBe(1);
});

test("a fork cools as its source does, and is kept hot or ends only when that is asked for", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", keep_hot: true, idle_warm_s: 5, idle_cold_s: 60, ttl_s: 600 });
  const [plain] = (await fork(daemon, { name: "plain" })).body;
  expect(plain).toMatchObject({ keep_hot: false, idle_warm_s: 5, idle_cold_s: 60 });
  expect(plain).not.toHaveProperty("expires_at");
  const asked = { keep_hot: true, idle_warm_s: 0, idle_cold_s: 7, ttl_s: 30 };
  const [own] = (await fork(daemon, { name: "own", ...asked })).body;
  expect(own).toMatchObject({ keep_hot: true, idle_warm_s: 0, idle_cold_s: 7 });
  expect(own).toHaveProperty("expires_at");
});

test("a fork that is over the limit says how many were asked for, and makes none", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 5 } });
  await daemon.create({ name: "dev" });
  const { status, body } = await fork<Refusal>(daemon, { count: 5 });
  expect(status).toBe(429);
  expect(body.error).toBe("sandbox limit reached (1/5), requested 5 more");
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes")).body).toHaveLength(1);
});
