import { expect, test } from "bun:test";
import { FakeEngine } from "../engine/fake/fake-engine.ts";
import { silentLogger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import { openStore, type Store } from "../store/store.ts";
import { MachineKeeper } from "./machine-keeper.ts";
import { SandboxActors } from "./sandbox-actor.ts";

test("a machine whose row cannot be written is ended", async () => {
  using store = openStore(":memory:");
  const keeper = new MachineKeeper(store, { record() {} }, silentLogger);
  const engine = new FakeEngine();
  await using _ = engine.host;
  const image = { name: "tiny", digest: "sha256:0", path: "/nowhere" };
  const hardware = { cpus: 1, memoryMB: 64 };
  const config = { epoch: 1, hardware, identity: {}, nics: [], volumes: [] };
  const machine = await engine.create({ image }, config, AbortSignal.timeout(60_000));
  const actor = new SandboxActors().of("sbx_0");
  // There is no row of it, so that nothing can be written to it.
  await expect(keeper.attachOrHalt(actor, machine)).rejects.toThrow("has no row");
  expect(await machine.ended).toMatchObject({ reason: "powered_off" });
  expect(actor.machine).toBeUndefined();
});

/** A store with one row that runs, and that refuses to change it. */
function fullStore() {
  const row = { id: "sbx_0", status: "running", thermal: "hot", statusReason: null, epoch: 1 };
  const sandboxes = {
    byId: () => row as SandboxRecord,
    forgetSessions() {},
    update(_: string, change: object) {
      if (store.isFull) throw new Error("database or disk is full");
      Object.assign(row, change);
    },
  };
  const store = { isFull: true, sandboxes, transaction: (work: () => void) => work() };
  const keeper = new MachineKeeper(store as unknown as Store, { record() {} }, silentLogger);
  return { store, row, keeper, actor: new SandboxActors().of("sbx_0") };
}

test("a change of a sandbox that is being created is not retried", () => {
  const { store, row, keeper, actor } = fullStore();
  row.status = "creating";
  keeper.detach(actor, "unknown", "destroy failed");
  row.status = "running";
  store.isFull = false;
  keeper.turn(actor, "warm");
  expect(row).toMatchObject({ status: "running", thermal: "warm", statusReason: null });
});

test("a stop that cannot be stored fails, and a loss is stored with the next change", () => {
  const { store, row, keeper, actor } = fullStore();
  expect(() => keeper.suspended(actor, "stopped")).toThrow("full");
  keeper.detach(actor, "unknown", "disk missing");
  expect(row).toMatchObject({ status: "running", thermal: "hot" });
  store.isFull = false;
  keeper.turn(actor, "warm");
  expect(row).toMatchObject({ status: "unknown", thermal: "warm", statusReason: "disk missing" });
  keeper[Symbol.dispose]();
});
