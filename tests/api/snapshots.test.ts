/** What is kept of sandboxes, as clients of the API see it. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { type FakeDaemon, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";

async function keep(daemon: FakeDaemon, request: object, ref = "dev"): Promise<Snapshot> {
  const path = `/sandboxes/${ref}/checkpoint`;
  const { status, body } = await daemon.call<Snapshot>("POST", path, request);
  if (status !== 201) throw new Error(`checkpoint: ${status} ${JSON.stringify(body)}`);
  return body;
}

const resume = <T = Sandbox>(daemon: FakeDaemon, ref: string, body?: object) =>
  daemon.call<T>("POST", `/snapshots/${ref}/resume`, body);

async function outputOf(daemon: FakeDaemon, ref: string, ...cmd: string[]): Promise<string> {
  const { body } = await daemon.call<{ stdout: string }>("POST", `/sandboxes/${ref}/exec`, { cmd });
  return body.stdout;
}

const withFile = (text: string) => [
  { guest_path: "/workspace/a", content: Buffer.from(text).toBase64() },
];

test("a snapshot is created, shown, listed and deleted", async () => {
  await using daemon = await startFakeDaemon();
  const source = await daemon.create({ name: "dev", cpus: 2, memory_mb: 512 });
  const snapshot = await keep(daemon, { name: "ready" });
  expect(snapshot).toEqual({
    id: expect.stringMatching(/^[a-z]+_[0-9a-f]+$/),
    user_id: source.created_by,
    name: "ready",
    type: "full",
    source_sandbox: "dev",
    source_sandbox_id: source.id,
    size_mb: expect.any(Number),
    paused_ms: expect.any(Number),
    cpus: 2,
    memory_mb: 512,
    disk_size_mb: 64,
    image: "tiny",
    created_at: expect.stringMatching(/^\d{4}-.*Z$/),
  });
  const after = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(after.body).toMatchObject({ id: source.id, status: "running", thermal: "hot" });
  for (const ref of ["ready", snapshot.id]) {
    expect((await daemon.call<Snapshot>("GET", `/snapshots/${ref}`)).body).toEqual(snapshot);
  }
  expect((await daemon.call<Snapshot[]>("GET", "/snapshots")).body).toEqual([snapshot]);
  const deleted = await daemon.call<object>("DELETE", "/snapshots/ready");
  expect(deleted.status).toBe(200);
  expect(deleted.body).toEqual({ status: "deleted" });
  expect((await daemon.call<Snapshot[]>("GET", "/snapshots")).body).toEqual([]);
  const again = await daemon.call("DELETE", `/snapshots/${snapshot.id}`);
  expect(again.status).toBe(404);
  expect(again.body.code).toBe("snapshot_not_found");
});

test("it resumes as often as one likes, also when its source is gone", async () => {
  await using daemon = await startFakeDaemon();
  const source = await daemon.create({ name: "dev", files: withFile("kept") });
  await keep(daemon, { name: "ready" });
  const first = await resume(daemon, "ready", { name: "one" });
  expect(first.status).toBe(201);
  expect(first.headers.get("x-bhatti-warning")).toBeNull();
  expect(first.body).toMatchObject({ name: "one", status: "running", thermal: "hot" });
  expect(first.body.id).not.toBe(source.id);
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
  const second = await resume(daemon, "ready");
  expect(second.status).toBe(201);
  for (const { name } of [first.body, second.body]) {
    expect(await outputOf(daemon, name, "hostname")).toBe(`${name}\n`);
    expect(await outputOf(daemon, name, "cat", "/workspace/a")).toBe("kept");
  }
  expect((await daemon.call("DELETE", "/snapshots/ready")).status).toBe(200);
  expect(await outputOf(daemon, "one", "cat", "/workspace/a")).toBe("kept");
});

test("what could not be kept is said in a header of one line, and by the sandbox", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await keep(daemon, { name: "ready" });
  const { engine } = daemon;
  const clone = engine.clone.bind(engine);
  const origin = { kind: "booted", steps: [], note: "its memory is lost:\nother QEMU – 9.1" };
  engine.clone = async (...args) => Object.assign(await clone(...args), { origin });
  const restore = { sandbox: "dev" };
  for (const { headers, body } of [
    await resume(daemon, "ready"),
    await daemon.call<Sandbox>("POST", "/snapshots/ready/restore", restore),
  ]) {
    expect(headers.get("x-bhatti-warning")).toBe("its memory is lost: other QEMU 9.1");
    expect(body.engine_meta["reason"]).toBe(origin.note);
  }
});

test("a file system alone is kept, and a machine boots from it", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", files: withFile("kept") });
  expect(await keep(daemon, { name: "files", type: "filesystem" })).toMatchObject({
    type: "filesystem",
  });
  expect((await resume(daemon, "files", { name: "two" })).status).toBe(201);
  expect(await outputOf(daemon, "two", "cat", "/workspace/a")).toBe("kept");
});

test("restore puts the same sandbox back, in place", async () => {
  await using daemon = await startFakeDaemon();
  const source = await daemon.create({ name: "dev", labels: { a: "1" }, files: withFile("kept") });
  await keep(daemon, { name: "ready" });
  const { status, body } = await daemon.call<Sandbox>("POST", "/snapshots/ready/restore", {
    sandbox: "dev",
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({ id: source.id, name: "dev", status: "running", labels: { a: "1" } });
  expect(await outputOf(daemon, "dev", "hostname")).toBe("dev\n");
  expect(await outputOf(daemon, "dev", "cat", "/workspace/a")).toBe("kept");
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes")).body).toHaveLength(1);
});

test("one that a sandbox is being made from cannot be deleted; of what is begun later it is gone", async () => {
  const { promise: goneOn, resolve: goOn } = Promise.withResolvers<void>();
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await keep(daemon, { name: "ready" });
  await keep(daemon, { name: "other" });
  let begun = Promise.withResolvers<void>();
  daemon.engine.options.onCreate = () => {
    begun.resolve();
    return goneOn;
  };
  const making = [resume<Sandbox>(daemon, "ready")];
  await begun.promise;
  begun = Promise.withResolvers<void>();
  making.push(daemon.call("POST", "/snapshots/ready/restore", { sandbox: "dev" }));
  await begun.promise;
  const refused = await daemon.call("DELETE", "/snapshots/ready");
  expect(refused.status).toBe(409);
  expect(refused.body.code).toBe("snapshot_in_use");
  expect((await daemon.call("DELETE", "/snapshots/other")).status).toBe(200);
  goOn();
  expect((await Promise.all(making)).map(({ status }) => status)).toEqual([201, 200]);
  expect((await daemon.call("DELETE", "/snapshots/ready")).status).toBe(200);
});

test("only the sandbox that it was made of can be put back", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.create({ name: "other" });
  await keep(daemon, { name: "ready" });
  const { status, body } = await daemon.call("POST", "/snapshots/ready/restore", {
    sandbox: "other",
  });
  expect(status).toBe(400);
  expect(body.error).toContain('must be the source of snapshot "ready", "dev"');
});

test("a taken name is refused and touches nothing, of many at once all but one", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const first = await keep(daemon, { name: "ready" });
  const create = (name: string) =>
    daemon.call<Refusal>("POST", "/sandboxes/dev/checkpoint", { name });
  const taken = await create("ready");
  expect(taken.status).toBe(409);
  expect(taken.body.code).toBe("snapshot_exists");
  expect((await daemon.call<Snapshot[]>("GET", "/snapshots")).body).toEqual([first]);
  const replies = await Promise.all([create("x"), create("x"), create("x")]);
  expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
});

test("snapshots are counted", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSnapshots: 2 } });
  await daemon.create({ name: "dev" });
  await keep(daemon, { name: "a" });
  await keep(daemon, { name: "b" });
  const { status, body } = await daemon.call("POST", "/sandboxes/dev/checkpoint", { name: "c" });
  expect(status).toBe(429);
  expect(body.code).toBe("snapshot_limit");
  await daemon.call("DELETE", "/snapshots/a");
  await keep(daemon, { name: "c" });
});

test("a resume is a sandbox: it needs a free name and a place", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 2 } });
  await daemon.create({ name: "dev" });
  await keep(daemon, { name: "ready" });
  const taken = await resume<Refusal>(daemon, "ready", { name: "dev" });
  expect(taken.status).toBe(409);
  expect(taken.body.code).toBe("name_taken");
  expect((await resume(daemon, "ready", { name: "two" })).status).toBe(201);
  const full = await resume<Refusal>(daemon, "ready", { name: "three" });
  expect(full.status).toBe(429);
  expect(full.body.code).toBe("sandbox_limit");
});

test("what is not there is 404", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await keep(daemon, { name: "ready" });
  const codes = await Promise.all([
    daemon.call("GET", "/snapshots/nope"),
    daemon.call("DELETE", "/snapshots/nope"),
    daemon.call("POST", "/snapshots/nope/resume"),
    daemon.call("POST", "/snapshots/nope/restore", { sandbox: "dev" }),
    daemon.call("POST", "/snapshots/ready/restore", { sandbox: "nope" }),
    daemon.call("POST", "/sandboxes/nope/checkpoint", { name: "x" }),
  ]);
  expect(codes.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
  expect(codes.map(({ body }) => body.code)).toEqual([
    ...Array.from({ length: 4 }, () => "snapshot_not_found"),
    ...Array.from({ length: 2 }, () => "sandbox_not_found"),
  ]);
});

test("another user's snapshot is as good as none", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const { id } = await keep(daemon, { name: "ready" });
  const { key } = daemon.operator.users.create({ name: "bob" });
  await daemon.call("POST", "/sandboxes", { name: "bobs" }, key);
  expect((await daemon.call<unknown>("GET", "/snapshots", undefined, key)).body).toEqual([]);
  for (const ref of ["ready", id]) {
    for (const [method, verb, body] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/resume"],
      ["POST", "/restore", { sandbox: "bobs" }],
    ] as const) {
      const reply = await daemon.call(method, `/snapshots/${ref}${verb}`, body, key);
      expect(reply.status).toBe(404);
      expect(reply.body.code).toBe("snapshot_not_found");
    }
  }
  const checkpoint = { name: "ready" };
  const foreign = await daemon.call("POST", "/sandboxes/dev/checkpoint", checkpoint, key);
  expect(foreign.body.code).toBe("sandbox_not_found");
  expect((await daemon.call("POST", "/sandboxes/bobs/checkpoint", checkpoint, key)).status).toBe(
    201,
  );
  const restore = { sandbox: "bobs" };
  const mixed = await daemon.call("POST", "/snapshots/ready/restore", restore);
  expect(mixed.body.code).toBe("sandbox_not_found");
});

const nameRule =
  "must start with a letter or digit, followed by up to 62 letters, digits, dots, underscores or hyphens";

test.each<[string, object, string]>([
  ["/sandboxes/dev/checkpoint", {}, "name: is required"],
  ["/sandboxes/dev/checkpoint", { name: "-x" }, `name: ${nameRule} (got "-x")`],
  ["/sandboxes/dev/checkpoint", { name: "a/b" }, `name: ${nameRule} (got "a/b")`],
  [
    "/sandboxes/dev/checkpoint",
    { name: "x", type: "disk" },
    'type: must be one of full, filesystem, memory (got "disk")',
  ],
  ["/snapshots/ready/resume", { name: "-" }, `name: ${nameRule} (got "-")`],
  ["/snapshots/ready/resume", { count: 2 }, "count: unknown field"],
  ["/snapshots/ready/restore", {}, "sandbox: is required"],
])("POST %s %j is refused", async (path, request, message) => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const { status, body } = await daemon.call("POST", path, request);
  expect(status).toBe(400);
  expect(body.code).toBe("bad_request");
  expect(body.error).toBe(message);
});
