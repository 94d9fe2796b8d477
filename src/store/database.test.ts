import { expect, test } from "bun:test";
import { isBhattiError } from "../errors/bhatti-error.ts";
import { openDatabase } from "./database.ts";

/** No page is left to take. */
function openFull() {
  const database = openDatabase(":memory:");
  database.run("CREATE TABLE things (x)");
  database.run("CREATE TABLE removed (x)");
  database.run(
    "CREATE TRIGGER keep AFTER DELETE ON things BEGIN INSERT INTO removed VALUES (zeroblob(50000)); END",
  );
  database.run("INSERT INTO things VALUES (zeroblob(10000))");
  const pages = database.query<{ page_count: number }, []>("PRAGMA page_count").get()?.page_count;
  database.run(`PRAGMA max_page_count = ${pages}`);
  return database;
}

test.each([
  "INSERT INTO things VALUES (zeroblob(10000))",
  "UPDATE things SET x = zeroblob(50000)",
  "DELETE FROM things",
])("a disk without room for %s is called full, in a transaction too", (sql) => {
  using database = openFull();
  const statement = database.prepare(sql);
  for (const work of [
    () => statement.run(),
    database.transaction(() => statement.run()).immediate,
  ]) {
    let failure: unknown;
    try {
      work();
    } catch (error) {
      failure = error;
    }
    expect(isBhattiError(failure, "disk_full")).toBeTrue();
  }
  expect(database.query("SELECT count(*) AS count FROM things").get()).toEqual({ count: 1 });
});
