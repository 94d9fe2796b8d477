import { expect, test } from "bun:test";
import { EventRecorder, type StoredEvent } from "./events.ts";
import { createLogger, silentLogger } from "./log.ts";

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

test("beyond the queue they are dropped, and the log says how many", () => {
  const batches: StoredEvent[][] = [];
  const write = (batch: StoredEvent[]) => void batches.push(batch);
  const lines: string[] = [];
  const log = createLogger({ level: "warn", write: (line) => void lines.push(line) });
  const recorder = new EventRecorder({ write, log, queueLength: 2 });
  for (let i = 0; i < 5; i += 1) recorder.record({ type: "auth.failed" });
  recorder.flush();
  expect(batches[0]).toHaveLength(2);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: "warn", count: 3 }]);
  recorder.record({ type: "auth.failed" });
  recorder.flush();
  expect(lines).toHaveLength(1);
});

test("record does not throw if the store refuses the events", () => {
  const write = () => {
    throw new Error("disk full");
  };
  const lines: string[] = [];
  const log = createLogger({ level: "warn", write: (line) => void lines.push(line) });
  const recorder = new EventRecorder({ write, log });
  recorder.record({ type: "daemon.started" });
  recorder.flush();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: "error", count: 1 }]);
});
