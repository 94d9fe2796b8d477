import { expect, test } from "bun:test";
import type { Machine, MachineEnd } from "../engine/engine.ts";
import { createLogger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import { SandboxActor } from "./sandbox-actor.ts";
import { suspendAll } from "./suspend-all.ts";

test("a machine that takes longer than it may is not shut down while it is still being put into files", async () => {
  const actor = new SandboxActor("sbx_1");
  const ended = Promise.withResolvers<MachineEnd>();
  const calls: string[] = [];
  const machine = {
    ended: ended.promise,
    powerOff: async () => void calls.push("powerOff"),
    halt: async () => void calls.push("halt"),
  };
  actor.machine = machine as unknown as Machine;
  const row = { id: actor.id, name: "dev", engineId: "m", memoryMB: 1024 };
  const said: { msg: string }[] = [];
  await suspendAll({
    store: { sandboxes: { all: () => [row] } } as unknown as Store,
    engine: { stateOf: async () => "off" },
    actors: [actor],
    lifecycle: {
      async suspend() {
        await Bun.sleep(30); // as the writing of a disk, it heeds no signal
        actor.machine = undefined;
        ended.resolve({ reason: "suspended", detail: "" });
      },
    },
    keeper: {} as MachineKeeper,
    log: createLogger({ level: "debug", write: (line) => void said.push(JSON.parse(line)) }),
    limit: () => 5,
  });
  expect(said).toMatchObject([{ msg: "sandbox suspended", name: "dev" }]);
  expect(calls).toEqual([]);
});
