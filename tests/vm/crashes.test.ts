/**
 * The daemon dies between any two steps of any operation, alone or with every machine, and the next one keeps the
 * promises. `make test-crashes` goes through all steps; otherwise it is a few of them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type CrashOperation, operations } from "../support/crash-operations.ts";
import { CrashRig } from "../support/crash-rig.ts";
import { footprint } from "../support/leaks.ts";

const isThorough = process.env["BHATTI_TEST_CRASHES"] === "all";
const minutes = 60_000;

let rig: CrashRig;
beforeAll(async () => {
  rig = await CrashRig.start();
  await rig.ready();
}, 5 * minutes);
afterAll(() => rig[Symbol.asyncDispose](), minutes);

const nothing = { processes: [], sockets: [], files: [], rows: 0 };

/** A sandbox as the operation needs it, and nothing else. */
async function begin(operation: CrashOperation): Promise<void> {
  await rig.clear();
  await rig.ready(...(operation.flags ?? []));
  await operation.setUp?.(rig);
}

async function end(): Promise<void> {
  if (await rig.isThere()) {
    // Until now its memory could have hidden what its disk lacks.
    rig.killMachines();
    await rig.becomes("cold");
    expect((await rig.memories()).lines).toEqual(rig.lines);
  }
  await rig.clear();
  expect(await footprint(rig.daemon)).toEqual(nothing);
}

/** The names of all points that it passes when nothing comes between. */
async function pointsOf(operation: CrashOperation): Promise<string[]> {
  await rig.ready(...(operation.flags ?? []));
  await operation.before?.(rig);
  rig.watch();
  await operation.run(rig);
  // Some of its work comes after its answer.
  expect(await rig.contradictions()).toEqual([]);
  const points = [...new Set(rig.passed())];
  await keepsPromises(operation, operation.keepsMemory);
  return points;
}

async function strike(operation: CrashOperation, point: string, disaster: Disaster): Promise<void> {
  await rig.ready(...(operation.flags ?? []));
  await operation.before?.(rig);
  rig.arm(point);
  const outcome = await operation.run(rig).catch((error: unknown) => error);
  await rig.untilDaemonIsGone().catch((cause: unknown) => {
    throw new Error(`it was not passed: ${rig.passed().join(" ")}, ${outcome}`, { cause });
  });
  rig.disarm();
  if (disaster === "the host reboots") await rig.reboot();
  await rig.daemon.restart();
  await keepsPromises(operation, operation.keepsMemory && disaster === "the daemon dies");
}

async function keepsPromises(operation: CrashOperation, keepsMemory: boolean): Promise<void> {
  expect(await rig.contradictions()).toEqual([]);
  if (operation.hasEffect) await hasTrueEnd(operation.hasEffect);
  for (const { id } of await rig.sandboxes()) {
    expect(["running", "stopped", "unknown"]).toContain((await rig.shown(id)).status);
  }
  const isThere = await rig.isThere();
  if (operation.mayLose !== "sandbox") expect(isThere).toBe(true);
  if (isThere) {
    await operation.help?.(rig);
    const { lines, isAlive } = await rig.memories();
    if (operation.mayLose === "lines") rig.lines = rig.lines.slice(0, lines.length);
    expect(lines).toEqual(rig.lines);
    if (keepsMemory) expect(isAlive).toBe(true);
  }
  await operation.after?.(rig);
  expect(await rig.contradictions()).toEqual([]);
}

/** The operation is what a client finds that lost its connection. */
async function hasTrueEnd(hasEffect: (rig: CrashRig) => Promise<boolean>): Promise<void> {
  const { state, error } = (await rig.lastOperation()) ?? {};
  const expected = (await hasEffect(rig)) ? "succeeded" : "failed";
  expect({ state, error }).toMatchObject({ state: expected });
}

type Disaster = "the daemon dies" | "the host reboots";

/** Where what is left behind differs most from what was there before and what is to be there afterwards. */
const representativePoints: [operation: string, point: string, disaster: Disaster][] = [
  ["create", "create.machine-made", "the daemon dies"],
  ["destroy", "remove.process-gone", "the daemon dies"],
  ["cooling to warm", "pause.frozen", "the daemon dies"],
  ["waking from warm", "run.running", "the daemon dies"],
  ["stop while hot", "save-state.asked", "the daemon dies"],
  ["stop while hot", "suspend.durable", "the host reboots"],
  ["stop with layers to merge", "merge.committed", "the daemon dies"],
  ["stop while warm", "end.process-gone", "the daemon dies"],
  ["waking from cold", "restore.started", "the daemon dies"],
  ["waking from cold", "drop-state.record-gone", "the host reboots"],
  ["waking from its disk", "run.running", "the daemon dies"],
  ["a snapshot of a sandbox that is hot", "capture.new-top-used", "the daemon dies"],
  ["fork", "copy.stored", "the daemon dies"],
  ["snapshot restore", "replace.stored", "the daemon dies"],
  ["snapshot delete", "remove-snapshot.record-gone", "the host reboots"],
  ["the start of a daemon", "recover.rows-done", "the daemon dies"],
];

const all = isThorough ? operations : [];
const representatives = isThorough ? [] : representativePoints;

describe.each(all)("$name", (operation) => {
  let points: string[] = [];
  test(
    "it passes points",
    async () => {
      await begin(operation);
      points = await pointsOf(operation);
      expect(points).not.toEqual([]);
      console.log(`${operation.name}: ${points.join(" ")}`);
    },
    5 * minutes,
  );

  test.each<Disaster>(["the daemon dies", "the host reboots"])(
    "%s at each of them",
    async (disaster) => {
      const failures: string[] = [];
      await begin(operation);
      for (const point of points) {
        const fails = async (error: unknown) => {
          failures.push(`${point}: ${error instanceof Error ? error.message : error}`);
          await begin(operation);
        };
        await strike(operation, point, disaster).catch(fails);
      }
      expect(failures).toEqual([]);
      await end();
    },
    20 * minutes,
  );
});

test.each(representatives)(
  "%s, at %s %s",
  async (name, point, disaster) => {
    const operation = operations.find((one) => one.name === name);
    if (!operation) throw new Error(`there is no operation "${name}"`);
    await begin(operation);
    await strike(operation, point, disaster);
    await end();
  },
  5 * minutes,
);

describe("nothing is under way", () => {
  const warm = (rig: CrashRig) => rig.cool();
  const cold = async (rig: CrashRig) => void (await rig.daemon.ok("stop", rig.id));

  test.each<[string, CrashOperation["before"]]>([
    ["hot", undefined],
    ["warm", warm],
  ])("QEMU is killed while the sandbox is %s", async (_, before) => {
    await fresh(before);
    rig.killMachines();
    await rig.becomes("cold");
    expect(await rig.contradictions()).toEqual([]);
    expect((await rig.memories()).lines).toEqual(rig.lines);
    await end();
  });

  test.each<[string, CrashOperation["before"], boolean]>([
    ["hot", undefined, false],
    ["warm", warm, false],
    ["cold", cold, true],
  ])("everything is killed while the sandbox is %s", async (_, before, isAlive) => {
    await fresh(before);
    await rig.reboot();
    await rig.daemon.restart();
    expect(await rig.contradictions()).toEqual([]);
    expect(await rig.memories()).toEqual({ lines: rig.lines, isAlive });
    await end();
  });
});

async function fresh(before: CrashOperation["before"]): Promise<void> {
  await rig.clear();
  await rig.ready();
  await before?.(rig);
}
