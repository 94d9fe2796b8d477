/** The client waits longer than the daemon, and the daemon longer than what its steps may take together. */
import { expect, test } from "bun:test";
import { endpoints } from "../src/contract/all.ts";
import {
  daemonMs,
  operationMs,
  patienceMs,
  queueMs,
  sameNameMs,
  silenceMs,
  socketMs,
  stepMs,
  useMs,
} from "../src/contract/deadlines.ts";
import { type OperationKind, operationKinds } from "../src/contract/operation-kinds.ts";
import type { EndpointId } from "../src/contract/paths.ts";
import { copyMs, deadlineMs as engine } from "../src/engine/qemu/deadlines.ts";
import { endProcessMs } from "../src/host/process.ts";

/** From the smallest machine to one larger than any host has. */
const sizes = [16, 512, 1024, 4096, 65_536, 1_048_576];

/** Each chain of the engine's steps, in its order, by the slowest way that the code has. */
const quit = engine.quit + engine.lastBreath;
const bootGuest = engine.launch + engine.boot + engine.console + quit;
const coldBoot = bootGuest + engine.mount;
/** With the copy of a golden snapshot's memory, which is small. */
const restoreGolden = engine.restore + engine.guest + engine.mount;
/** A guest that boots badly is booted again, three times in all. */
const badGolden = bootGuest + engine.settle + quit;
const goodGolden = bootGuest + 2 * engine.settle + engine.saveGolden + quit;
const bootFromDisk = restoreGolden + endProcessMs + coldBoot + engine.configure + endProcessMs;
const resume = endProcessMs + engine.restore;
const unpause = engine.guest + engine.answer;
const makePaused =
  engine.guest + engine.answer + engine.thaw + engine.cancelMigration + engine.wakeAgain;

test.each<[string, daemon: number, steps: number]>([
  [
    "making a machine: pool, golden snapshot, cold boot",
    stepMs.make,
    ...sum(
      engine.configure + endProcessMs,
      2 * badGolden + goodGolden,
      restoreGolden + engine.configure + endProcessMs,
      coldBoot + engine.configure + endProcessMs,
    ),
  ],
  ["booting from a disk", stepMs.boot, bootFromDisk],
  ["resuming", stepMs.resume, resume + unpause],
  ["waking", stepMs.wake, engine.adopt + resume + stepMs.boot + unpause],
  [
    "starting by force",
    stepMs.start,
    ...sum(3000, endProcessMs, stepMs.resume, endProcessMs, stepMs.boot),
  ],
  ["adopting", stepMs.adopt, engine.adopt],
  ["destroying", stepMs.destroy, 2 * endProcessMs],
  ["undoing", stepMs.undo, engine.wakeAgain + engine.thaw],
])("%s takes no longer than its deadline", (_, daemon, steps) => {
  expect(daemon).toBeGreaterThan(steps);
});

test.each(sizes)("machines of %d MB are written and copied within their deadlines", (memoryMB) => {
  const remember = 3000;
  const written = copyMs(memoryMB);
  const suspend = remember + makePaused + written + endProcessMs + engine.merge;
  expect(stepMs.suspend(memoryMB)).toBeGreaterThan(suspend);
  expect(stepMs.capture(memoryMB)).toBeGreaterThan(makePaused + 2 * written);
  const restored = engine.restore + written + engine.guest + engine.configure + endProcessMs;
  expect(stepMs.clone(memoryMB)).toBeGreaterThan(Math.max(restored, bootFromDisk));
  expect(stepMs.clone(memoryMB, 64)).toBeGreaterThanOrEqual(stepMs.clone(memoryMB));
});

test.each(sizes)("operations on %d MB take no longer than their deadlines", (memoryMB) => {
  const size = { memoryMB, count: 64 };
  const queue = queueMs(memoryMB);
  const jobs = {
    create: stepMs.make,
    "child of a fork": stepMs.clone(memoryMB, size.count),
    start: stepMs.start,
    wake: stepMs.wake,
    suspend: stepMs.suspend(memoryMB),
    capture: stepMs.capture(memoryMB),
    restore: stepMs.clone(memoryMB) + stepMs.destroy,
    destroy: stepMs.destroy,
  };
  const tooLong = Object.entries(jobs).filter(([, job]) => job + stepMs.undo > queue);
  expect(tooLong).toEqual([]);
  const fork = stepMs.capture(memoryMB) + stepMs.clone(memoryMB, size.count) + stepMs.destroy;
  const steps: Record<OperationKind, number> = {
    "sandbox.create": stepMs.make,
    "sandbox.fork": queue + fork,
    "sandbox.stop": queue + stepMs.suspend(memoryMB),
    "snapshot.create": queue + stepMs.capture(memoryMB),
    "snapshot.resume": stepMs.clone(memoryMB),
    "snapshot.restore": queue + stepMs.clone(memoryMB) + stepMs.destroy,
    "image.build": 3_600_000, // a recipe that installs a distribution over a slow link
  };
  for (const kind of operationKinds)
    expect(operationMs[kind](size)).toBeGreaterThanOrEqual(steps[kind]);
});

test.each(sizes)("a client waits longer than any operation on %d MB takes", (memoryMB) => {
  const size = { memoryMB, count: 64 };
  const create = Math.max(operationMs["sandbox.create"](size), operationMs["sandbox.fork"](size));
  const longest: Partial<Record<EndpointId, number>> = {
    "sandbox.create": sameNameMs + create + stepMs.undo,
    "sandbox.start": queueMs(memoryMB) + stepMs.start + stepMs.undo,
    "sandbox.edit": useMs(memoryMB),
    "session.kill": useMs(memoryMB) + stepMs.begin,
    "file.stat": useMs(memoryMB) + stepMs.brief,
    "file.copy": useMs(memoryMB) + stepMs.tree,
  };
  for (const kind of operationKinds) {
    if (kind !== "image.build") longest[kind] ??= operationMs[kind](size) + stepMs.undo;
  }
  for (const [id, daemon] of Object.entries(longest)) {
    expect(patienceMs(id as EndpointId)).toBeGreaterThan(daemon);
  }
});

test("every endpoint that starts an operation is in the table", () => {
  const starting = Object.values(endpoints).filter((endpoint) => "isOperation" in endpoint);
  expect(starting.length).toBeGreaterThan(5);
  for (const { id } of starting) expect(daemonMs[id]).toBeGreaterThan(stepMs.make);
});

/**
 * Seconds, for 1024 MB: make 540, start 340, wake 320, suspend 192, capture 295, clone 342 (64 at once 650), destroy 60,
 * undo 15. The longest job in a queue is a fork's child, and with its undo takes 665.
 */
const leastSeconds: [EndpointId, number][] = [
  ["sandbox.create", 540 + 15 + 665 + 295 + 650 + 60],
  ["sandbox.edit", 665 + 320],
  ["sandbox.destroy", 60 + 15 + 60],
  ["sandbox.stop", 665 + 192],
  ["sandbox.start", 665 + 340],
  ["sandbox.fork", 665 + 295 + 650 + 60],
  ["snapshot.create", 665 + 295],
  ["snapshot.delete", 60 + 60],
  ["snapshot.resume", 342],
  ["snapshot.restore", 665 + 342 + 60],
  ["operation.get", 300],
  ["operation.cancel", 30],
  ["task.cancel", 30],
  ["session.kill", 665 + 320 + 30],
  ["session.log", 665 + 320 + 30],
  ["file.read", 665 + 320 + 30],
  ["file.stat", 665 + 320 + 30],
  ["file.mkdir", 665 + 320 + 30],
  ["file.pull", 665 + 320 + 30],
  ["file.watch", 665 + 320 + 30],
  ["file.remove", 665 + 320 + 600],
  ["file.move", 665 + 320 + 600],
  ["file.copy", 665 + 320 + 600],
  ["exec.run", 665 + 320 + 20 + 300 + 15],
];

test.each(leastSeconds)(
  "a client waits longer for %s than its steps take for 1024 MB, %d s",
  (id, seconds) => {
    expect(patienceMs(id)).toBeGreaterThan(seconds * 1000);
  },
);

test("every endpoint that waits has its steps in the list above", () => {
  const listed = new Set(leastSeconds.map(([id]) => id));
  const missing = (Object.keys(daemonMs) as EndpointId[]).filter((id) => !listed.has(id));
  expect(missing).toEqual([]);
});

test("a client waits less than a minute for an answer that the daemon has at once", () => {
  expect(patienceMs("version.get")).toBeLessThan(60_000);
});

test("a client waits longer for a buffered exec than its command may run", () => {
  const started = useMs(4096) + stepMs.begin;
  const patience = (body: object) => patienceMs("exec.run", body);
  expect(patience({ timeout_sec: 86_400 })).toBeGreaterThan(started + 86_400_000 + stepMs.kill);
  expect(patience({})).toBeGreaterThan(started + 300_000 + stepMs.kill);
  expect(patience({ detach: true })).toBeGreaterThan(started);
  expect(patience({ detach: true })).toBeLessThan(patience({ timeout_sec: 1 }));
});

test("a client gives up on a connection no earlier than the daemon", () => {
  expect(silenceMs.daemon).toBeGreaterThan(silenceMs.sandbox);
  expect(socketMs.silence).toBeGreaterThan(2 * socketMs.ping);
});

function sum(...steps: number[]): [number] {
  return [steps.reduce((a, b) => a + b, 0)];
}
