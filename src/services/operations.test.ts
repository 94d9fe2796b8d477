/** What is left of an operation when its end, or the process that ran it, was lost. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../tests/support/manual-clock.ts";
import type { Event } from "../observability/events.ts";
import { silentLogger } from "../observability/log.ts";
import { databasePath, openStore, type Store } from "../store/store.ts";
import { interrupted } from "./operation.ts";
import { Operations } from "./operations.ts";
import { Users } from "./users.ts";

const dead = "process 1 1";

/** A daemon's operations after a start, with one that `runner` left unfinished. */
function openAfter(runner: string) {
  const dataDir = mkdtempSync(join(tmpdir(), "bhatti-test-"));
  const store = openStore(databasePath(dataDir));
  const ended: Event[] = [];
  const events = {
    record: (event: Event) => void (event.type === "operation.ended" && ended.push(event)),
  };
  const { user } = new Users(store, events).create({ name: "ada" });
  const clock = new ManualClock();
  const by = (runner: string) =>
    new Operations({
      ...{ store, events, log: silentLogger, clock, runner },
      isRunning: () => false,
    });
  const { record } = by(runner).accept({
    kind: "sandbox.create",
    userId: user.id,
    target: { kind: "sandbox", id: "sb_1", name: "dev" },
    size: { memoryMB: 512 },
  });
  const operations = by("daemon");
  const sweep = () => clock.pass(60_000, async () => {});
  const dispose = () => {
    store[Symbol.dispose]();
    rmSync(dataDir, { recursive: true });
  };
  return { store, operations, user, record, ended, sweep, [Symbol.dispose]: dispose };
}

/** As with a full disk, until it is disposed of. */
function refuseEnds({ operations }: Store): Disposable {
  const { end } = operations;
  operations.end = () => {
    throw new Error("database or disk is full");
  };
  return {
    [Symbol.dispose]() {
      operations.end = end;
    },
  };
}

test("an end that recovery found survives until it can be stored", async () => {
  using daemon = openAfter("daemon");
  const { store, operations, user, record, ended, sweep } = daemon;
  const result = { sandboxes: [{ id: "sb_1", name: "dev" }] };
  {
    using _ = refuseEnds(store);
    operations.conclude(record, { state: "succeeded", result, error: null });
    operations.start();
    await sweep();
    expect(operations.get(user, record.id)).toMatchObject({ state: "succeeded", result });
    expect(operations.list(user)).toMatchObject([{ id: record.id, state: "succeeded" }]);
    expect(store.operations.byId(record.id)).toMatchObject({ state: "running" });
  }
  await sweep();
  expect(store.operations.byId(record.id)).toMatchObject({ state: "succeeded", result });
  expect(ended).toHaveLength(1);
  operations.close(null as never);
});

test("a sweep ends operations of dead processes once, and none of the daemon's", async () => {
  using lost = openAfter(dead);
  {
    using _ = refuseEnds(lost.store);
    lost.operations.start();
    await lost.sweep();
  }
  await lost.sweep();
  const { error } = interrupted(lost.record);
  expect(lost.store.operations.byId(lost.record.id)).toMatchObject({ state: "failed", error });
  expect(lost.ended).toHaveLength(1);

  using own = openAfter("daemon");
  own.operations.start();
  await own.sweep();
  expect(own.operations.get(own.user, own.record.id)).toMatchObject({ state: "running" });
  expect(own.ended).toEqual([]);
});
