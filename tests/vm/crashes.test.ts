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
}, 2 * minutes);
afterAll(() => rig[Symbol.asyncDispose](), minutes);

const nothing = { processes: [], sockets: [], files: [], rows: 0 };

/** A sandbox as the operation needs it, and nothing else. */
async function begin(operation: CrashOperation): Promise<void> {
  await rig.clear();
  await rig.ready(...(operation.flags ?? []));
  await operation.setUp?.(rig);
}

async function end(): Promise<void> {
  rig.killMachines();
  await rig.becomes("cold");
  expect((await rig.memories()).lines).toEqual(rig.lines);
  await rig.clear();
  expect(await footprint(rig.daemon)).toEqual(nothing);
}

/** The names of all points that it passes when nothing comes between. */
async function pointsOf(operation: CrashOperation): Promise<string[]> {
  await rig.ready(...(operation.flags ?? []));
  await operation.before?.(rig);
  rig.watch();
  await operation.run(rig);
  await Bun.sleep(200); // what it does after its answer
  const points = [...new Set(rig.passed())];
  await keepsPromises(operation, operation.keepsMemory);
  return points;
}

type Disaster = "the daemon dies" | "the host reboots";

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
  expect(rig.contradictions()).toEqual([]);
  const sandboxes = await rig.sandboxes();
  for (const { id } of sandboxes) {
    expect(["running", "stopped", "unknown"]).toContain((await rig.shown(id)).status);
  }
  const isThere = sandboxes.some(({ id }) => id === rig.id);
  if (operation.mayLose !== "sandbox") expect(isThere).toBe(true);
  if (isThere) {
    await operation.help?.(rig);
    const { lines, isAlive } = await rig.memories();
    if (operation.mayLose === "lines") rig.lines = rig.lines.slice(0, lines.length);
    expect(lines).toEqual(rig.lines);
    if (keepsMemory) expect(isAlive).toBe(true);
  }
  await operation.after?.(rig);
  expect(rig.contradictions()).toEqual([]);
}

describe.if(isThorough).each(operations)("$name", (operation) => {
  let points: string[] = [];
  test(
    "it passes points",
    async () => {
      await begin(operation);
      points = await pointsOf(operation);
      expect(points).not.toEqual([]);
      console.log(`${operation.name}: ${points.join(" ")}`);
    },
    2 * minutes,
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
