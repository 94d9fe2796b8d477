import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../async/clock.ts";
import { FakeEngine } from "../engine/fake/fake-engine.ts";
import { silentLogger } from "../observability/log.ts";
import { databasePath, openStore } from "../store/store.ts";
import { Images } from "./images.ts";
import { LastKnown } from "./last-known.ts";
import { machineConfigs } from "./machine-config.ts";
import { MachineKeeper } from "./machine-keeper.ts";
import { Operations } from "./operations.ts";
import { SandboxActors } from "./sandbox-actor.ts";
import { Sandboxes } from "./sandboxes.ts";
import { Users } from "./users.ts";

function open() {
  const dataDir = mkdtempSync(join(tmpdir(), "bhatti-test-"));
  const store = openStore(databasePath(dataDir));
  const events = { record() {} };
  const images = new Images(store, events, dataDir);
  const path = join(dataDir, "tiny.ext4");
  writeFileSync(path, "");
  images.register({ name: "tiny", digest: "sha256:0", path, sizeMB: 64, source: "test" });
  const engine = new FakeEngine();
  const log = silentLogger;
  const operations = new Operations({
    ...{ store, events, log, clock: systemClock, runner: "daemon" },
    isRunning: () => false,
  });
  const sandboxes = new Sandboxes({
    ...{ store, engine, images, operations, events, log },
    configOf: machineConfigs(),
    actors: new SandboxActors(),
    keeper: new MachineKeeper(store, events, log),
    lastKnown: new LastKnown(store, log),
    defaults: { image: "tiny", cpus: 1, memoryMB: 512 },
    thermal: { warmAfterSeconds: 0, coldAfterSeconds: 0 },
    powerOffMs: 30,
  });
  const { user } = new Users(store, events).create({ name: "ada" });
  const dispose = async () => {
    store[Symbol.dispose]();
    await engine.host[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true });
  };
  return { engine, sandboxes, user, [Symbol.asyncDispose]: dispose };
}

test("when the daemon ends, machines are suspended, and those that cannot be are ended", async () => {
  await using service = open();
  const { engine, sandboxes, user } = service;
  const signal = AbortSignal.timeout(60_000);
  await (await sandboxes.create(user, { name: "deaf" }, signal)).outcome;
  for (const machine of engine.machines.values()) machine.isDeaf = true;
  await (await sandboxes.create(user, { name: "dev" }, signal)).outcome;
  await sandboxes.suspendAll();
  expect([...engine.machines.values()].map(({ running }) => running)).toEqual([false, false]);
  expect(sandboxes.get(user, "dev")).toMatchObject({ status: "running", thermal: "cold" });
  expect(sandboxes.get(user, "deaf")).toMatchObject({
    status: "stopped",
    statusReason: "the daemon was stopped, and suspend failed: The guest does not answer",
  });
});
