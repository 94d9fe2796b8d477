import { expect, test } from "bun:test";
import { pause } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { SandboxActor } from "./sandbox-actor.ts";

const job = (work: (signal: AbortSignal) => Promise<void>, milliseconds = 60_000) => ({
  what: "The work",
  milliseconds,
  work,
});

test("jobs run one at a time, in order, also after one that fails", async () => {
  const actor = new SandboxActor("a");
  const story: string[] = [];
  const step = (name: string, milliseconds: number) =>
    job(async () => {
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

test("a job that exceeds its deadline is aborted, and the next one waits for its undo", async () => {
  const actor = new SandboxActor("a");
  let undone = false;
  const slow = job(async (signal) => {
    try {
      await pause(10_000, signal);
    } finally {
      await Bun.sleep(20);
      undone = true;
    }
  }, 20);
  const overdue = actor.perform(slow);
  const late = expect(overdue).rejects.toThrow("The work took longer than 20 ms");
  await actor.perform(job(async () => expect(undone).toBeTrue()));
  await late;
});

test("cancel ends the running job and no waiting one", async () => {
  const actor = new SandboxActor("a");
  const running = actor.perform(job((signal) => pause(10_000, signal)));
  const waiting = actor.perform(job(async () => {}));
  await Bun.sleep(1);
  actor.cancel(new BhattiError("cancelled", "enough"));
  await expect(running).rejects.toThrow("enough");
  await waiting;
});

test("a job whose signal is aborted before its turn does not run", async () => {
  const actor = new SandboxActor("a");
  const gone = AbortSignal.abort();
  let ran = false;
  const work = async () => {
    ran = true;
  };
  await expect(actor.perform({ ...job(work), signal: gone })).rejects.toThrow("cancelled");
  await actor.settled();
  expect(ran).toBeFalse();
});

test("a waiting job that is aborted ends at once, and the next one still waits for the running one", async () => {
  const actor = new SandboxActor("a");
  const { promise, resolve } = Promise.withResolvers<void>();
  let isOver = false;
  const running = actor.perform(
    job(async () => {
      await promise;
      isOver = true;
    }),
  );
  const gone = new AbortController();
  const waiting = actor.perform({ ...job(async () => {}), signal: gone.signal });
  const next = actor.perform(job(async () => expect(isOver).toBeTrue()));
  gone.abort(new BhattiError("cancelled", "enough"));
  await expect(waiting).rejects.toThrow("enough");
  expect(isOver).toBeFalse();
  resolve();
  await Promise.all([running, next]);
});
