import { expect, test } from "bun:test";
import { pause } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { SandboxActor } from "./sandbox-actor.ts";

const operation = (work: (signal: AbortSignal) => Promise<void>, milliseconds = 60_000) => ({
  what: "The work",
  milliseconds,
  work,
});

test("operations run one at a time, in order, also after one that fails", async () => {
  const actor = new SandboxActor("a");
  const story: string[] = [];
  const step = (name: string, milliseconds: number) =>
    operation(async () => {
      story.push(`${name} begins`);
      await Bun.sleep(milliseconds);
      story.push(`${name} ends`);
      if (name === "first") throw new Error("no");
    });
  const outcomes = await Promise.allSettled([
    actor.perform(step("first", 20)),
    actor.perform(step("second", 1)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect(story).toEqual(["first begins", "first ends", "second begins", "second ends"]);
});

test("an operation that takes too long ends with its signal, after it has undone its steps", async () => {
  const actor = new SandboxActor("a");
  let undone = false;
  const slow = operation(async (signal) => {
    try {
      await pause(10_000, signal);
    } finally {
      await Bun.sleep(20);
      undone = true;
    }
  }, 20);
  await expect(actor.perform(slow)).rejects.toThrow("The work took longer than 20 ms");
  await actor.perform(operation(async () => expect(undone).toBeTrue()));
});

test("cancel ends the operation that runs, and only that", async () => {
  const actor = new SandboxActor("a");
  const running = actor.perform(operation((signal) => pause(10_000, signal)));
  const waiting = actor.perform(operation(async () => {}));
  await Bun.sleep(1);
  actor.cancel(new BhattiError("cancelled", "enough"));
  await expect(running).rejects.toThrow("enough");
  await waiting;
});

test("an operation whose caller has gone before its turn does not run", async () => {
  const actor = new SandboxActor("a");
  const gone = AbortSignal.abort();
  let ran = false;
  const work = async () => {
    ran = true;
  };
  await expect(actor.perform({ ...operation(work), signal: gone })).rejects.toThrow("cancelled");
  await actor.settled();
  expect(ran).toBeFalse();
});
