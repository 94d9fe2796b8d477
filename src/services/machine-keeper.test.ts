import { expect, test } from "bun:test";
import { FakeEngine } from "../engine/fake/fake-engine.ts";
import { silentLogger } from "../observability/log.ts";
import { openStore } from "../store/store.ts";
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
