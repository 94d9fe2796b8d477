import { expect, test } from "bun:test";
import { startFakeDaemon } from "../support/fake-daemon.ts";

test("of 20 creates at once no more than the limit succeed", async () => {
  await using daemon = await startFakeDaemon({
    user: { maxSandboxes: 5 },
    engine: { createMilliseconds: 20 },
  });
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, number) =>
      daemon.call("POST", "/sandboxes", { name: `s${number}` }),
    ),
  );
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(5);
  const refused = replies.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(15);
  for (const { body } of refused) {
    expect(body).toMatchObject({ code: "sandbox_limit", error: "sandbox limit reached (5/5)" });
  }
  expect(daemon.engine.machines.size).toBe(5);
});

test("at the limit an existing name still gives the existing sandbox", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 1 } });
  await daemon.create({ name: "dev" });
  expect((await daemon.call("POST", "/sandboxes", { name: "dev" })).status).toBe(200);
  expect((await daemon.call("POST", "/sandboxes", { name: "other" })).status).toBe(429);
  await daemon.call("DELETE", "/sandboxes/dev");
  expect((await daemon.call("POST", "/sandboxes", { name: "other" })).status).toBe(201);
});

test("a create that fails gives its place back", async () => {
  await using daemon = await startFakeDaemon({ user: { maxSandboxes: 1 } });
  daemon.addImage("broken", 64);
  expect((await daemon.call("POST", "/sandboxes", { image: "broken" })).status).toBe(500);
  expect((await daemon.call("POST", "/sandboxes", {})).status).toBe(201);
});

test.each([
  [{ cpus: 3 }, "cpus: 3 exceeds your limit of 2"],
  [{ memory_mb: 2048 }, "memory_mb: 2048 exceeds your limit of 1024"],
])("a sandbox larger than the user's limits: %j", async (request, message) => {
  await using daemon = await startFakeDaemon({ user: { maxCpus: 2, maxMemoryMB: 1024 } });
  const { status, body } = await daemon.call("POST", "/sandboxes", request);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: "quota_exceeded", error: message });
});

test("a user's templates are limited in number and in bytes", async () => {
  await using daemon = await startFakeDaemon();
  const { key } = daemon.operator.users.create({ name: "bob" });
  const env = { A: "x".repeat(999_994) };
  const create = async (request: object) =>
    (await daemon.call("POST", "/templates", request)).status;
  for (const name of ["a", "b", "c", "d"]) expect(await create({ name, env })).toBe(201);
  const { status, body } = await daemon.call("POST", "/templates", { name: "e", env });
  expect(status).toBe(429);
  expect(body).toMatchObject({
    code: "template_limit",
    error: "env and init of all your templates would take 5000010 bytes: the limit is 4194304",
  });
  expect((await daemon.call("GET", "/templates/e")).status).toBe(404);
  expect((await daemon.call("POST", "/templates", { name: "e", env }, key)).status).toBe(201);

  for (let count = 4; count < 100; count += 1) {
    expect(await create({ name: `t${count}` })).toBe(201);
  }
  const more = await daemon.call("POST", "/templates", { name: "more" });
  expect(more.status).toBe(429);
  expect(more.body).toMatchObject({ error: "template limit reached (100)" });
  expect((await daemon.call("DELETE", "/templates/a")).status).toBe(200);
  expect(await create({ name: "more" })).toBe(201);
  const list = await daemon.call<object[]>("GET", "/templates");
  expect(list.body).toHaveLength(100);
  expect(JSON.stringify(list.body).length).toBeLessThan(50_000);
});
