import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { RawConnection } from "../support/raw-connection.ts";

test("a request without a key, or with a wrong one, is refused", async () => {
  await using daemon = await startFakeDaemon();
  const ask = async (path: string, authorization: string) => {
    const response = await daemon.fetch(path, { headers: { authorization } });
    return [response.status, ((await response.json()) as { error: string }).error];
  };
  expect(await ask("/sandboxes", "")).toEqual([401, "authorization required"]);
  expect(await ask("/version", "")).toEqual([401, "authorization required"]);
  expect(await ask("/sandboxes", `Basic ${daemon.key}`)).toEqual([401, "authorization required"]);
  expect(await ask("/sandboxes", "Bearer bht_wrong")).toEqual([401, "invalid api key"]);
  expect(await ask(`/sandboxes?token=${daemon.key}`, "")).toEqual([401, "authorization required"]);
  expect(await ask("/nowhere", "")).toEqual([401, "authorization required"]);
  const [event] = await daemon.events("auth.failed");
  expect(JSON.parse(event?.meta ?? "")).toEqual({ ip: "127.0.0.1" });
  expect(daemon.logLines.join("")).not.toContain(daemon.key);
});

test("health and the API's description need none", async () => {
  await using daemon = await startFakeDaemon();
  const health = await fetch(`${daemon.url}/health`);
  expect(health.status).toBe(200);
  expect(health.headers.get("x-bhatti-version")).toBe("1.2.3");
  expect(await health.json()).toMatchObject({
    status: "ok",
    uptime: expect.stringMatching(/^(\d+h)?(\d+m)?[\d.]+m?s$/),
    uptime_s: expect.any(Number),
  });
  expect((await fetch(`${daemon.url}/openapi.json`)).status).toBe(200);
});

test.each([
  ["//health", 401],
  ["/health/../sandboxes", 401],
  ["/health/%2e%2e/sandboxes", 401],
  ["/health%2f..%2fsandboxes", 401],
  ["/health/", 401],
  ["/sandboxes/../health", 200],
])("the path is cleaned before it is judged: %s", async (path, status) => {
  await using daemon = await startFakeDaemon();
  expect(await rawStatus(daemon, path)).toBe(status);
});

test("another user's sandbox does not exist", async () => {
  await using daemon = await startFakeDaemon();
  const sandbox = await daemon.create({ name: "dev" });
  const { key } = daemon.operator.users.create({ name: "bob" });
  for (const ref of ["dev", sandbox.id]) {
    const path = `/sandboxes/${ref}`;
    expect((await daemon.call("GET", path, undefined, key)).status).toBe(404);
    expect((await daemon.call("DELETE", path, undefined, key)).status).toBe(404);
    expect((await daemon.call("POST", `${path}/exec`, { cmd: ["true"] }, key)).status).toBe(404);
  }
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes", undefined, key)).body).toEqual([]);
  const own = await daemon.call<Sandbox>("POST", "/sandboxes", { name: "dev" }, key);
  expect(own.status).toBe(201);
  expect(own.body.id).not.toBe(sandbox.id);
});

test("a key that another process rotated or deleted is refused at once", async () => {
  await using daemon = await startFakeDaemon();
  const { users } = daemon.operator;
  const first = users.create({ name: "bob" }).key;
  const status = async (key: string) =>
    (await daemon.call("GET", "/sandboxes", undefined, key)).status;
  expect(await status(first)).toBe(200);
  const second = users.rotateKey("bob").key;
  expect(await status(first)).toBe(401);
  expect(await status(second)).toBe(200);
  users.delete("bob");
  expect(await status(second)).toBe(401);
});

test("a user with sandboxes is not deleted", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  expect(() => daemon.operator.users.delete("ada")).toThrow('User "ada" still has 1 sandbox');
  await daemon.call("DELETE", "/sandboxes/dev");
  daemon.operator.users.delete("ada");
  expect(daemon.operator.users.list()).toEqual([]);
});

/** fetch would clean the path itself. */
async function rawStatus(daemon: FakeDaemon, path: string): Promise<number> {
  using connection = await RawConnection.open(daemon.url);
  connection.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await connection.closed;
  return Number(connection.text.split(" ")[1]);
}
