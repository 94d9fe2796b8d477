import { expect, test } from "bun:test";
import { silentLogger } from "../observability/log.ts";
import type { LastKnown } from "./last-known.ts";
import type { SandboxActors } from "./sandbox-actor.ts";
import { currentUsage } from "./usage.ts";

const measured = { diskTotal: 4, diskUsed: 3, memoryTotal: 2, memoryAvailable: 1 };
const known = { ...measured, diskUsed: 1, at: "2026-01-02T10:09:12.345Z" };
const guestWith = (stats: () => Promise<unknown>) => ({
  guest: async () => ({ stats, activity: async () => ({ commands: 2 }) }),
});
const answering = guestWith(async () => measured);
const failing = guestWith(() => Promise.reject(new Error("the connection is lost")));

test.each<[string, object | undefined, object]>([
  ["has no machine", undefined, known],
  ["is paused", { machine: { ...failing, isAwake: false } }, known],
  ["is being suspended", { machine: { ...answering, isAwake: true }, isExclusive: true }, known],
  ["does not answer", { machine: { ...failing, isAwake: true } }, known],
  [
    "answers",
    { machine: { ...answering, isAwake: true } },
    { ...measured, commands: 2, at: expect.stringMatching(/^20\d\d-/) },
  ],
])("the usage of a sandbox that %s", async (_what, actor, usage) => {
  const actors = { peek: () => actor } as unknown as SandboxActors;
  const lastKnown = { usage: () => known } as unknown as LastKnown;
  expect(await currentUsage({ actors, lastKnown, log: silentLogger }, "a")).toEqual(usage as never);
});
