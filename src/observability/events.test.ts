import { expect, test } from "bun:test";
import { EventRecorder, type StoredEvent } from "./events.ts";
import { silentLogger } from "./log.ts";

test("events are written in batches, the rest at the end", async () => {
  const batches: StoredEvent[][] = [];
  const write = (batch: StoredEvent[]) => void batches.push(batch);
  const recorder = new EventRecorder({ write, log: silentLogger, flushMilliseconds: 20 });
  recorder.record({ type: "daemon.started" });
  recorder.record({ type: "auth.failed", meta: { ip: "::1" } });
  expect(batches).toEqual([]);
  await Bun.sleep(60);
  recorder.record({ type: "daemon.shutdown" });
  recorder[Symbol.dispose]();
  const types = batches.map((batch) => batch.map(({ type }) => type));
  expect(types).toEqual([["daemon.started", "auth.failed"], ["daemon.shutdown"]]);
});

test("beyond the queue they are dropped and counted", () => {
  const batches: StoredEvent[][] = [];
  const write = (batch: StoredEvent[]) => void batches.push(batch);
  const recorder = new EventRecorder({ write, log: silentLogger, queueLength: 2 });
  for (let i = 0; i < 5; i += 1) recorder.record({ type: "auth.failed" });
  expect(recorder.dropped).toBe(3);
  recorder.flush();
  expect(batches[0]).toHaveLength(2);
});

test("a store that refuses them harms nobody", () => {
  const write = () => {
    throw new Error("disk full");
  };
  const recorder = new EventRecorder({ write, log: silentLogger });
  recorder.record({ type: "daemon.started" });
  recorder.flush();
  expect(recorder.dropped).toBe(1);
});
