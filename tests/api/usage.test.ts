/** Disk and memory use of a sandbox: current while it is hot, last known afterwards, and never a reason to wake it. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";

const megabytes = {
  disk_used_mb: expect.any(Number),
  disk_free_mb: expect.any(Number),
  memory_used_mb: expect.any(Number),
  memory_free_mb: expect.any(Number),
};

async function get(daemon: FakeDaemon): Promise<Sandbox> {
  return (await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body;
}

test("GET has the usage of a hot sandbox as of now, and a list has none", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const before = Date.now();
  const { usage } = await get(daemon);
  expect(usage).toEqual({ ...megabytes, at: expect.any(String) });
  expect(Date.parse(usage?.at ?? "")).toBeGreaterThanOrEqual(before);
  expect(usage?.memory_free_mb).toBeGreaterThan(0);
  const { body } = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(body[0]).not.toHaveProperty("usage");
});

test("GET has the last known usage of a stopped sandbox, also after a restart, and does not wake it", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  const stopped = Date.now();
  const { usage } = await get(daemon);
  expect(usage).toEqual({ ...megabytes, at: expect.any(String) });
  expect(Date.parse(usage?.at ?? "")).toBeLessThanOrEqual(stopped);
  await daemon.restart();
  expect(await get(daemon)).toMatchObject({ status: "stopped", thermal: "cold", usage });
  await daemon.call("POST", "/sandboxes/dev/start");
  expect(Date.parse((await get(daemon)).usage?.at ?? "")).toBeGreaterThanOrEqual(stopped);
});
