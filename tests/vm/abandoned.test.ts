/** What is asked of a machine may be given up at any moment: then it is as it was, or as it was to be, never between. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { machineHomes } from "../../scripts/testing/leftovers.ts";
import type { Engine, Machine } from "../../src/engine/engine.ts";
import { openQemuEngine } from "../../src/engine/qemu/qemu-engine.ts";
import { DiskReserve } from "../../src/host/disk-reserve.ts";
import { makeProcessFolder } from "../../src/host/process-folder.ts";
import { silentLogger } from "../../src/observability/log.ts";
import { openOperator } from "../../src/operator/operator.ts";
import { hardware, plainConfig } from "../support/machine-config.ts";

const clone = resolve(import.meta.dirname, "../..");
const state = join(clone, ".bhatti");
const soon = () => AbortSignal.timeout(60_000);

let home: string;
let engine: Engine;
let machine: Machine;

beforeAll(async () => {
  const homes = join(clone, machineHomes.parent);
  await mkdir(homes, { recursive: true });
  home = makeProcessFolder(homes, machineHomes.prefix);
  using operator = await openOperator(join(state, "data"));
  const image = operator.images.list(null).find(({ name }) => name === "tiny");
  if (!image) throw new Error("There is no image tiny: run scripts/setup.sh first");
  const path = join(state, "data", image.path);
  engine = await openQemuEngine({
    hostId: "host_test",
    dataDir: home,
    reserve: new DiskReserve(home),
    runtimeDir: "/run/bhatti",
    kernel: join(state, "kernel"),
    accelerator: "tcg",
    poolSize: 0,
    log: silentLogger,
    nics: undefined,
    defaultSpec: () => undefined,
  });
  const root = { image: { name: "tiny", digest: image.digest, path } };
  machine = await engine.create(root, plainConfig(), AbortSignal.timeout(120_000));
  await inGuest("echo 0 > /tmp/count");
}, 300_000);

afterAll(async () => {
  await engine.destroy(machine.id);
  await engine.close();
  await rm(home, { recursive: true, force: true });
});

async function inGuest(script: string): Promise<string> {
  const guest = await machine.guest(soon());
  const argv = ["sh", "-c", script];
  const child = await guest.exec({ argv, stdin: false, timeoutMs: 60_000 }, soon());
  const decoder = new TextDecoder();
  let text = "";
  for await (const { chunk } of child) text += decoder.decode(chunk.subarray(1));
  expect(await child.result).toMatchObject({ exitCode: 0 });
  return text;
}

/** It is awake in the end, by what its services do, and remembers all that it was told. */
async function goesOn(count: number): Promise<void> {
  if ((await engine.stateOf(machine.id)) === "suspended") {
    machine = await engine.resume(machine.id, plainConfig(), soon());
  }
  await machine.unpause(soon());
  expect(machine.isAwake).toBe(true);
  const next = "n=$(($(cat /tmp/count) + 1)); echo $n > /tmp/count; echo $n";
  expect(await inGuest(next)).toBe(`${count}\n`);
}

const moments = [0, 1, 2, 4, 7, 11, 16, 22, 29, 37, 46, 56, 67, 80, 100, 130, 170, 220];
let count = 0;

test.each<[string, boolean, (signal: AbortSignal) => Promise<unknown>]>([
  ["a pause", false, (signal) => machine.pause(signal)],
  ["a suspension", false, (signal) => machine.suspend(signal)],
  [
    "a suspension of one that is paused",
    false,
    async (signal) => {
      await machine.pause(soon());
      await machine.suspend(signal);
    },
  ],
  [
    "a wake",
    true,
    async (signal) => {
      await machine.pause(soon());
      await machine.unpause(signal);
    },
  ],
  [
    "a snapshot",
    true,
    async (signal) => {
      const snapshot = `snap_${count}`;
      await engine
        .capture(machine.id, hardware, snapshot, "full", signal)
        .finally(() => engine.removeSnapshot(snapshot));
    },
  ],
])("%s that is given up at any moment", async (_, staysAwake, work) => {
  const outcomes: boolean[] = [];
  for (const ms of moments) {
    count += 1;
    const outcome = work(AbortSignal.timeout(ms));
    const isDone = await outcome.then(
      () => true,
      () => false,
    );
    outcomes.push(isDone);
    if (isDone && staysAwake) expect(machine.isAwake).toBe(true);
    await goesOn(count);
  }
  // The first moments came too early on any host: it was given up indeed.
  expect(outcomes[0]).toBe(false);
  expect(await engine.snapshots()).toEqual([]);
});

test("a resume that is given up can be tried again", async () => {
  for (const ms of moments.filter((_, index) => index % 2 === 0)) {
    count += 1;
    await machine.suspend(soon());
    const resumed = await engine
      .resume(machine.id, plainConfig(), AbortSignal.timeout(ms))
      .catch(() => undefined);
    expect(await engine.stateOf(machine.id)).toBe(resumed ? "running" : "suspended");
    if (resumed) machine = resumed;
    await goesOn(count);
  }
});
