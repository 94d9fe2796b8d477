import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { databasePath } from "../../src/store/store.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { plainConfig } from "../support/machine-config.ts";
import { until } from "../support/until.ts";

const poweredOff = { reason: "powered_off", detail: "the guest shut down" } as const;

/** As a crash would have left it: behind the daemon's back. */
function rewrite(daemon: FakeDaemon, sql: string): void {
  using database = new Database(databasePath(daemon.dataDir));
  database.run(sql);
}

const show = async (daemon: FakeDaemon, ref: string) =>
  (await daemon.call<Sandbox>("GET", `/sandboxes/${ref}`)).body;

test("sandboxes run on while the daemon restarts", async () => {
  await using daemon = await startFakeDaemon();
  const before = await daemon.create({ name: "dev", env: { A: "1" } });
  await daemon.restart();
  const { activity: _, ...rest } = before;
  expect(await show(daemon, "dev")).toMatchObject(rest);
  const { body } = await daemon.call("POST", "/sandboxes/dev/exec", {
    cmd: ["printenv", "A"],
  });
  expect(body).toMatchObject({ stdout: "1\n" });
  daemon.machine.finish(poweredOff);
  expect((await show(daemon, "dev")).status).toBe("stopped");
});

test("the engine begins its own work after machines were taken over, not before", async () => {
  const story: string[] = [];
  const onAdopt = () => void story.push("adopted");
  const onStart = () => void story.push("started");
  await using daemon = await startFakeDaemon({ engine: { onAdopt, onStart } });
  await daemon.create({ name: "dev" });
  await daemon.restart();
  expect(story).toEqual(["started", "adopted", "started"]);
});

test("a machine that is gone leaves its sandbox stopped, with the reason", async () => {
  await using daemon = await startFakeDaemon();
  const { engine_id } = await daemon.create({ name: "dev" });
  await daemon.stop();
  daemon.engine.machines.get(engine_id)?.finish({ reason: "crashed", detail: "host reboot" });
  await daemon.start();
  const sandbox = await show(daemon, "dev");
  expect(sandbox.status).toBe("stopped");
  expect(sandbox.engine_meta["reason"]).toBe("VM not running when the daemon started");
  // Its files are still referred to.
  expect([...daemon.engine.machines.keys()]).toEqual([engine_id]);
  expect((await daemon.call("DELETE", "/sandboxes/dev")).status).toBe(200);
  expect(daemon.engine.machines.size).toBe(0);
});

test("a machine that is gone is started again when it is to be kept hot, unless its user stopped it", async () => {
  await using daemon = await startFakeDaemon();
  const kept = await daemon.create({ name: "kept", keep_hot: true });
  const off = await daemon.create({ name: "off", keep_hot: true });
  await daemon.create({ name: "stopped", keep_hot: true });
  daemon.engine.machines.get(off.engine_id)?.finish(poweredOff);
  await daemon.call("POST", "/sandboxes/stopped/stop");
  await daemon.stop();
  daemon.engine.machines.get(kept.engine_id)?.finish({ reason: "crashed", detail: "host reboot" });
  await daemon.start();
  await daemon.events("thermal.wake");
  expect(await show(daemon, "kept")).toMatchObject({
    ...{ status: "running", thermal: "hot" },
    engine_meta: {
      reason: "booted from disk: VM not running when the daemon started",
    },
  });
  for (const name of ["off", "stopped"]) {
    expect(await show(daemon, name)).toMatchObject({ status: "stopped", thermal: "cold" });
  }
});

test("a machine that cannot be taken over is unknown, and is tried again at the next start", async () => {
  let broken = true;
  const onAdopt = () => {
    if (broken) throw new Error("no answer");
  };
  await using daemon = await startFakeDaemon({ engine: { onAdopt } });
  await daemon.create({ name: "dev" });
  await daemon.restart();
  const sandbox = await show(daemon, "dev");
  expect(sandbox.status).toBe("unknown");
  expect(sandbox.engine_meta["reason"]).toBe("cannot adopt the VM: no answer");
  broken = false;
  await daemon.restart();
  const again = await show(daemon, "dev");
  expect(again).toMatchObject({ status: "running", engine_meta: {} });
});

test("a machine is adopted and a stopped one resumed while rows cannot be stored, which happens later", async () => {
  await using daemon = await startFakeDaemon();
  const runs = await daemon.create({ name: "runs" });
  const rests = await daemon.create({ name: "rests" });
  await daemon.call("POST", "/sandboxes/rests/stop");
  await daemon.stop();
  rewrite(daemon, "UPDATE sandboxes SET status = 'unknown', thermal = 'cold' WHERE name = 'runs'");
  // As with a full disk.
  rewrite(
    daemon,
    "CREATE TRIGGER full BEFORE UPDATE OF status ON sandboxes BEGIN SELECT RAISE(FAIL, 'full'); END",
  );
  await daemon.start();
  for (const { name, engine_id, origin } of [
    { ...runs, origin: "adopted" },
    { ...rests, origin: "resumed" },
  ]) {
    const { body } = await daemon.call("POST", `/sandboxes/${name}/exec`, { cmd: ["echo", name] });
    expect(body).toMatchObject({ stdout: `${name}\n` });
    expect(daemon.engine.machines.get(engine_id)).toMatchObject({ origin: { kind: origin } });
  }
  rewrite(daemon, "DROP TRIGGER full");
  for (const name of ["runs", "rests"]) {
    await until(`${name} runs`, async () => (await show(daemon, name)).status === "running");
  }
});

test("a create that was cut short leaves nothing, neither row nor machine", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.create({ name: "other" });
  await daemon.stop();
  rewrite(daemon, "UPDATE sandboxes SET status = 'creating', engine_id = NULL WHERE name = 'dev'");
  await daemon.start();
  const { body } = await daemon.call<Sandbox[]>("GET", "/sandboxes");
  expect(body.map(({ name, status }) => [name, status])).toEqual([["other", "running"]]);
  expect([...daemon.engine.machines.keys()]).toEqual([body[0]?.engine_id ?? ""]);
});

test("a destroy that was cut short is finished", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.stop();
  rewrite(daemon, "UPDATE sandboxes SET destroy_requested_at = '2026-01-01T00:00:00Z'");
  await daemon.start();
  expect((await daemon.call<Sandbox[]>("GET", "/sandboxes")).body).toEqual([]);
  expect(daemon.engine.machines.size).toBe(0);
});

test("recovery removes a machine without a sandbox only if this host owns it", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  await daemon.stop();
  const image = { name: "tiny", digest: "x", path: "/x" };
  const soon = AbortSignal.timeout(60_000);
  const orphan = await daemon.engine.create({ image }, plainConfig(), soon);
  const foreign = await daemon.engine.create({ image }, plainConfig(), soon);
  daemon.engine.host.foreign.add(foreign.id);
  await daemon.start();
  const left = [...daemon.engine.machines.keys()];
  expect(left).toHaveLength(2);
  expect(left).toContain(foreign.id);
  expect(left).not.toContain(orphan.id);
  expect((await show(daemon, "dev")).status).toBe("running");
});
