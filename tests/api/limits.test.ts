import { expect, test } from "bun:test";
import { defaultServerConfig } from "../../src/config/schema.ts";
import { generousLimits, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("a body over the limit is refused, announced or not", async () => {
  await using daemon = await startFakeDaemon();
  const large = JSON.stringify({ name: "dev", init: "x".repeat(2_000_000) });
  const announced = await daemon.fetch("/sandboxes", { method: "POST", body: large });
  expect(announced.status).toBe(413);
  expect(await announced.json()).toMatchObject({
    code: "body_too_large",
    error: "body: must be at most 1048576 bytes",
  });
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(0);
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(32));
    },
  });
  const chunked = await daemon.fetch("/sandboxes", { method: "POST", body: endless });
  expect(chunked.status).toBe(413);
  expect(sent).toBeLessThan(20_000_000);
  const content = Buffer.alloc(750_000).toBase64();
  const just = JSON.stringify({ name: "dev", files: [{ guest_path: "/workspace/x", content }] });
  expect((await daemon.fetch("/sandboxes", { method: "POST", body: just })).status).toBe(201);
});

test("an init script may be as long as the guest takes it, also in a template", async () => {
  await using daemon = await startFakeDaemon();
  const longest = `${"é".repeat(65_535)}x`;
  for (const path of ["/sandboxes", "/templates"]) {
    const refused = await daemon.call("POST", path, { name: "dev", init: `${longest}x` });
    expect(refused).toMatchObject({
      status: 400,
      body: { code: "bad_request", error: "init: must be at most 131071 bytes" },
    });
    expect((await daemon.call("POST", path, { name: "dev", init: longest })).status).toBe(201);
  }
});

test("all that makes machines or keeps things counts as a create", async () => {
  const limits = { ...generousLimits, createPerMinute: 1, createBurst: 6 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  const statusOf = async (path: string, body?: object) =>
    (await daemon.call("POST", path, body)).status;
  expect(await statusOf("/sandboxes", { name: "dev" })).toBe(201);
  expect(await statusOf("/sandboxes/dev/checkpoint", { name: "ready" })).toBe(201);
  expect(await statusOf("/sandboxes/dev/fork")).toBe(201);
  expect(await statusOf("/snapshots/ready/resume")).toBe(201);
  expect(await statusOf("/snapshots/ready/restore", { sandbox: "dev" })).toBe(200);
  expect(await statusOf("/templates", { name: "base" })).toBe(201);
  expect(await statusOf("/sandboxes/dev/fork")).toBe(429);
  expect(await statusOf("/snapshots/ready/resume")).toBe(429);
  expect(await statusOf("/sandboxes/dev/checkpoint", { name: "more" })).toBe(429);
  expect(await statusOf("/templates", { name: "more" })).toBe(429);
  expect(await statusOf("/sandboxes/dev/stop")).toBe(200);
  expect(await statusOf("/sandboxes/dev/start")).toBe(200);
});

test("requests that change something in a sandbox never count as reads", async () => {
  const limits = { ...generousLimits, execPerMinute: 1, execBurst: 1 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  await daemon.create({ name: "dev" });
  expect((await daemon.call("POST", "/sandboxes/dev/stop")).status).toBe(200);
  for (const [method, path] of [
    ["POST", "start"],
    ["POST", "stop"],
    ["POST", "files/mkdir"],
    ["POST", "files/move"],
    ["POST", "files/copy"],
    ["POST", "shell-token"],
    ["POST", "sessions/init/kill"],
    ["PUT", "files?path=a"],
    ["PUT", "files/tar?path=a"],
    ["PATCH", ""],
  ] as const) {
    const { status } = await daemon.call(method, `/sandboxes/dev/${path}`.replace(/\/$/, ""), {});
    expect({ path, status }).toEqual({ path, status: 429 });
  }
  expect((await daemon.call("GET", "/sandboxes/dev")).status).toBe(200);
});

test("requests to paths that do not exist count as reads", async () => {
  const limits = { ...generousLimits, readPerMinute: 1, readBurst: 2 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  expect((await daemon.call("GET", "/nowhere")).status).toBe(404);
  expect((await daemon.call("PUT", "/sandboxes/dev")).status).toBe(405);
  expect((await daemon.call("GET", "/nowhere")).status).toBe(429);
});

test("each class of requests has its own bucket, for each user", async () => {
  const limits = {
    ...generousLimits,
    createPerMinute: 1,
    createBurst: 2,
    execPerMinute: 1,
    execBurst: 3,
    readPerMinute: 1,
    readBurst: 4,
  };
  await using daemon = await startFakeDaemon({ config: { limits } });
  const statuses = async (count: number, method: string, path: string, body?: object) => {
    const found = [];
    for (let i = 0; i < count; i += 1) found.push((await daemon.call(method, path, body)).status);
    return found;
  };
  expect(await statuses(3, "POST", "/sandboxes", { name: "dev" })).toEqual([201, 200, 429]);
  const exec = { cmd: ["true"] };
  expect(await statuses(4, "POST", "/sandboxes/dev/exec", exec)).toEqual([200, 200, 200, 429]);
  expect(await statuses(5, "GET", "/sandboxes")).toEqual([200, 200, 200, 200, 429]);
  const { headers, body } = await daemon.call<Refusal>("DELETE", "/sandboxes/dev");
  const seconds = Number(headers.get("retry-after"));
  expect(seconds).toBeWithin(1, 61);
  expect(body).toMatchObject({
    code: "rate_limited",
    error: "rate limit exceeded",
    retry_after: seconds,
    hint: `Try again in ${seconds} s`,
  });

  const { key } = daemon.operator.users.create({ name: "bob" });
  expect((await daemon.call("GET", "/sandboxes", undefined, key)).status).toBe(200);
  expect((await fetch(`${daemon.url}/health`)).status).toBe(200);
});

test("the default limits leave room for 60 execs, 40 at once, and 60 file writes", async () => {
  const { limits } = defaultServerConfig;
  // Its clock is stopped, so no tokens are added meanwhile.
  await using daemon = await startFakeDaemon({ config: { limits }, clock: new ManualClock() });
  expect((await daemon.call("POST", "/sandboxes", { name: "dev" })).status).toBe(201);
  const exec = async () =>
    (await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] })).status;
  const write = async () => {
    const body = new Uint8Array(10);
    return (await daemon.fetch("/sandboxes/dev/files?path=x", { method: "PUT", body })).status;
  };
  const statuses: number[] = [];
  for (let i = 0; i < 60; i++) statuses.push(await exec());
  statuses.push(...(await Promise.all(Array.from({ length: 40 }, exec))));
  for (let i = 0; i < 60; i++) statuses.push(await write());
  expect(statuses).toEqual(Array(160).fill(200));
});
