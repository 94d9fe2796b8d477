/** Some of the same random operations on real machines. MODEL_SEED names other ones, such as `5` or `5,6,7`. */
import { afterAll, beforeAll, test } from "bun:test";
import fc from "fast-check";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { Model, singles } from "./commands.ts";
import { MachineSystem } from "./machine-system.ts";
import { onMachines } from "./recipes.ts";
import { maxSandboxes, maxSnapshots } from "./state.ts";

const given = process.env["MODEL_SEED"];
const seeds = given === undefined ? [1, 2, 3, 4] : given.split(",").map(Number);
const length = 30;

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({
    config: ["thermal:", "  warm_after: never", "  cold_after: never"],
    user: { maxSandboxes, maxSnapshots },
  });
});
afterAll(() => daemon[Symbol.asyncDispose]());

test.each(seeds)(
  "a sequence of operations, seed %d",
  async (seed) => {
    const system = new MachineSystem(daemon);
    const commands = fc.array(singles(onMachines), { minLength: length, maxLength: length });
    const property = fc.asyncProperty(commands, async (sequence) => {
      const model = new Model();
      await model.populate(system);
      await fc.asyncModelRun(() => ({ model, real: system }), sequence);
      await model.readAll(system);
      await system.clear();
      console.log(`${model.expected.count} operations: ${sequence.join(", ")}`);
    });
    await fc.assert(property, { seed, numRuns: 1, endOnFailure: true });
  },
  600_000,
);
