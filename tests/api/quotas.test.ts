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
