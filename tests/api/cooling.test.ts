/** When sandboxes cool and wake by themselves, and how they tell of it. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";

const post = (daemon: FakeDaemon, path: string, body?: unknown) =>
  daemon.call<Sandbox>("POST", path, body);
const get = async (daemon: FakeDaemon, ref: string) =>
  (await daemon.call<Sandbox>("GET", `/sandboxes/${ref}`)).body;
const edit = (daemon: FakeDaemon, change: unknown) =>
  daemon.call<Sandbox>("PATCH", "/sandboxes/dev", change);

test("a sandbox says why it is as hot as it is, and what comes next", async () => {
  const thermal = { warmAfterSeconds: 100, coldAfterSeconds: 1000 };
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock, config: { thermal } });
  const { activity } = await daemon.create({ name: "dev" });
  expect(activity).toEqual({
    reason: expect.any(String),
    next: { thermal: "warm", at: expect.stringMatching(/^\d{4}-.*Z$/) },
  });
  expect(activity.reason).not.toBe("");
  expect(Date.parse(activity.next?.at ?? "")).toBe(clock.now() + 100_000);
  await edit(daemon, { keep_hot: true });
  const kept = await get(daemon, "dev");
  expect(kept.keep_hot).toBeTrue();
  expect(kept.activity).toEqual({ reason: "keep hot" });
  await edit(daemon, { ttl_s: 60 });
  expect((await get(daemon, "dev")).activity.next?.thermal).toBe("destroyed");
});

test("idle times and the time to live are shown only when they are set", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  const plain = await daemon.create({ name: "plain" });
  for (const field of ["idle_warm_s", "idle_cold_s", "expires_at"]) {
    expect(plain).not.toHaveProperty(field);
  }
  const own = await daemon.create({ name: "own", idle_warm_s: 5, idle_cold_s: 0, ttl_s: 3600 });
  expect(own).toMatchObject({ idle_warm_s: 5, idle_cold_s: 0 });
  expect(Date.parse(own.expires_at ?? "")).toBe(clock.now() + 3_600_000);
  expect(await daemon.create({ name: "endless", ttl_s: 0 })).not.toHaveProperty("expires_at");
});

test("a sandbox that was woken only half way is woken again by itself", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  const { engine_id } = await daemon.create({ name: "dev" });
  await daemon.pass(100_000);
  const machine = daemon.engine.machines.get(engine_id);
  if (!machine) throw new Error("it has no machine");
  machine.isDeaf = true;
  // Its processors run now, but its user processes were not let go on.
  expect((await post(daemon, "/sandboxes/dev/exec", { cmd: ["true"] })).status).not.toBe(200);
  expect(machine).toMatchObject({ isPaused: false, isAwake: false });
  machine.isDeaf = false;
  await daemon.pass(10_000);
  expect(machine.isAwake).toBe(true);
  expect(await get(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
});

const hour = 3_600_000;
test.each<[object, string[]]>([
  [{ idle_warm_s: 10, idle_cold_s: 20 }, ["warm", "cold"]],
  [{ idle_warm_s: 20, idle_cold_s: 10 }, ["cold"]],
  [{ idle_warm_s: 0, idle_cold_s: 10 }, ["cold"]],
  [{ idle_warm_s: 10, idle_cold_s: 0 }, ["warm"]],
  [{ idle_warm_s: 0, idle_cold_s: 0 }, []],
])("of %j it becomes %j", async (times, states) => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev", ...times });
  const seen: (string | undefined)[] = [];
  const { activity } = await get(daemon, "dev");
  expect(activity.next?.thermal).toBe(states[0] as "warm");
  await clock.pass(hour, async () => {
    await daemon.settled();
    const { thermal } = await get(daemon, "dev");
    if (thermal !== "hot" && seen.at(-1) !== thermal) seen.push(thermal);
  });
  expect(seen).toEqual(states);
});

test("what comes next is whichever comes first", async () => {
  await using daemon = await startFakeDaemon();
  const { activity } = await daemon.create({ name: "dev", idle_warm_s: 600, ttl_s: 60 });
  expect(activity.next?.thermal).toBe("destroyed");
});

test("a sandbox with a detached command is not shown as about to become warm", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev", idle_warm_s: 10 });
  const detached = { cmd: ["sleep", "600"], detach: true };
  await daemon.call("POST", "/sandboxes/dev/exec", detached);
  expect((await get(daemon, "dev")).activity).toEqual({ reason: "running a command" });
  await daemon.call("POST", "/sandboxes/dev/exec", detached);
  expect((await get(daemon, "dev")).activity).toEqual({ reason: "running 2 commands" });
  await edit(daemon, { ttl_s: 60 });
  expect((await get(daemon, "dev")).activity.next?.thermal).toBe("destroyed");
});
