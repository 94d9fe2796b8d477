/** A sandbox whose VM is paused because the host's disk is full. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { openSession, says } from "../support/sessions.ts";

test("a held sandbox shows the reason, records events and refuses commands until there is space", async () => {
  await using daemon = await startFakeDaemon();
  const { id, engine_id } = await daemon.create({ name: "dev" });
  const machine = daemon.engine.machines.get(engine_id);
  if (!machine) throw new Error("the sandbox has no VM");
  const running = await openSession(daemon, { cmd: ["cat"], stdin: true, session: true });
  machine.isStalled = true;
  const { body: held } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  expect(held).toMatchObject({
    status: "running",
    activity: { reason: "paused because the host's disk is full" },
  });
  expect(await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] })).toMatchObject({
    status: 507,
    body: { code: "disk_full", error: expect.stringContaining("host disk is full") },
  });
  expect(await daemon.call("POST", "/sandboxes/dev/start", {})).toMatchObject({
    status: 507,
    body: { code: "disk_full", error: expect.stringContaining('Sandbox "dev" is paused') },
  });
  expect(await daemon.events("thermal.disk_full")).toMatchObject([{ sandbox_id: id }]);
  machine.isStalled = false;
  expect(await daemon.events("thermal.disk_free")).toMatchObject([{ sandbox_id: id }]);
  running.client.stdin("still here\n");
  await says(running.client, "still here");
  running.client.close();
  expect(await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] })).toMatchObject({
    status: 200,
  });
});

test("a transfer that begins in a held sandbox fails at once with the reason", async () => {
  await using daemon = await startFakeDaemon();
  const { engine_id } = await daemon.create({ name: "dev" });
  const machine = daemon.engine.machines.get(engine_id);
  if (machine) machine.isStalled = true;
  for (const path of ["/sandboxes/dev/files?path=/etc/hosts", "/sandboxes/dev/files/tar?path=/"]) {
    expect(await daemon.call("GET", path)).toMatchObject({
      status: 507,
      body: { code: "disk_full" },
    });
  }
});
