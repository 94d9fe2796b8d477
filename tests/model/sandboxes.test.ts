/**
 * Random operations on several sandboxes, over the fake engine, against a simple model of what must come of them.
 * `MODEL_RUNS=1000` has more of them than usual. A failure prints the seed and the path that repeat it:
 * `MODEL_SEED=1 MODEL_PATH=2 bun test tests/model/sandboxes.test.ts -t "<the test>"`. With MODEL_SHRINK=1 it looks for a
 * shorter one, and prints MODEL_REPLAY too.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { startFakeDaemon, turn } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { kills, Model, pairs, singles } from "./commands.ts";
import { FakeSystem } from "./fake-system.ts";
import { maxSandboxes, maxSnapshots } from "./state.ts";
import { StubGuest } from "./stub-guest.ts";

const { env } = process;
const runs = Number(env["MODEL_RUNS"] ?? 45);
const commandsOfRun = 80;
/** Every commit is flushed to it: in memory that costs nothing. */
const folder = existsSync("/dev/shm") ? "/dev/shm" : undefined;
let done = 0;

function settings() {
  const { MODEL_SEED: seed, MODEL_PATH: path } = env;
  return {
    numRuns: runs,
    endOnFailure: env["MODEL_SHRINK"] === undefined,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  };
}

/** The engine's steps take this many turns of the event loop, one after the other, from the start again. */
function pace(turns: number[]): () => Promise<void> {
  let step = 0;
  return async () => {
    const rest = turns[step++ % turns.length] ?? 0;
    for (let each = 0; each < rest; each += 1) await turn();
  };
}

async function runOnce(commands: Iterable<fc.AsyncCommand<Model, FakeSystem>>, turns: number[]) {
  const clock = new ManualClock();
  const thermal = { warmAfterSeconds: 30, coldAfterSeconds: 1800 };
  await using daemon = await startFakeDaemon({
    clock,
    config: { thermal },
    user: { maxSandboxes, maxSnapshots },
    engine: { onStep: pace(turns) },
    host: { newGuest: () => new StubGuest() },
    ...(folder !== undefined && { folder }),
  });
  const model = new Model();
  const system = new FakeSystem(daemon);
  try {
    await model.populate(system);
    await fc.asyncModelRun(() => ({ model, real: system }), commands);
    await model.readAll(system);
  } finally {
    done += model.expected.count;
  }
  await daemon.stop();
  // Hours pass here in a moment, in which a guest that stays deaf may fill the recorder's queue.
  if (!daemon.logged("events were dropped")) model.expected.check(system.recorded());
}

const replayPath = env["MODEL_REPLAY"];

function sequences(...kinds: fc.Arbitrary<fc.AsyncCommand<Model, FakeSystem>>[]) {
  const constraints = { maxCommands: commandsOfRun, size: "max" as const };
  const commands = fc.commands(kinds, {
    ...constraints,
    ...(replayPath !== undefined && { replayPath }),
  });
  return fc.tuple(commands, fc.array(fc.nat(3), { minLength: 1, maxLength: 7 }));
}

async function check(...kinds: fc.Arbitrary<fc.AsyncCommand<Model, FakeSystem>>[]) {
  const property = fc.asyncProperty(sequences(...kinds), ([commands, turns]) =>
    runOnce(commands, turns),
  );
  done = 0;
  const started = performance.now();
  await fc.assert(property, settings());
  console.log(`${done} operations in ${Math.round(performance.now() - started)} ms`);
  expect(done).toBeGreaterThan(0);
}

test("one operation after the other", () => check(singles()), 600_000);
test("two operations at once", () => check(singles(), pairs()), 600_000);
test("the daemon is killed in the middle", () => check(singles(), kills()), 600_000);
