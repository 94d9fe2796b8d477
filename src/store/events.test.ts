import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { openDatabase } from "./database.ts";
import { EventTable } from "./events.ts";

const event = (userId: string | null, ts: string) => ({
  ts,
  type: "sandbox.updated",
  userId,
  sandboxId: null,
  meta: {},
});

function countOf(database: Database, user: string | null): number {
  const query = database.query<{ count: number }, [string | null]>(
    "SELECT count(*) AS count FROM events WHERE user_id IS ?",
  );
  return query.get(user)?.count ?? 0;
}

test("each user keeps the newest events", () => {
  using database = openDatabase(":memory:");
  const table = new EventTable(database, 10);
  table.insertAll([event("bob", "b"), event(null, "daemon")]);
  for (let batch = 0; batch < 30; batch += 1) {
    table.insertAll(Array.from({ length: 100 }, (_, index) => event("ada", `${batch}-${index}`)));
  }
  expect(countOf(database, "ada")).toBeLessThanOrEqual(1010);
  expect([countOf(database, "bob"), countOf(database, null)]).toEqual([1, 1]);
  const newest = database.query<{ ts: string }, []>("SELECT ts FROM events ORDER BY id DESC");
  expect(newest.get()?.ts).toBe("29-99");
  new EventTable(database, 10).insertAll([event("ada", "last")]);
  expect(countOf(database, "ada")).toBe(10);
});
