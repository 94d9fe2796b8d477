import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { BhattiError } from "../errors/bhatti-error.ts";
import { migrate, migrations } from "./migrate.ts";

const version = (database: Database) =>
  database.query<{ version: number }, []>("SELECT version FROM schema_version").get()?.version;

test("a fresh database gets every step, an up-to-date one none", () => {
  using database = new Database(":memory:");
  migrate(database);
  expect(version(database)).toBe(migrations.length);
  migrate(database);
  expect(version(database)).toBe(migrations.length);
  database.run("INSERT INTO events (ts, type, meta) VALUES ('t', 'x', '{}')");
});

test("an older database gets what it lacks", () => {
  using database = new Database(":memory:");
  migrate(database, ["CREATE TABLE a (x)"]);
  migrate(database, ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE c (x)"]);
  expect(version(database)).toBe(2);
  database.run("INSERT INTO c VALUES (1)");
});

test("a step that fails changes nothing", () => {
  using database = new Database(":memory:");
  migrate(database, ["CREATE TABLE a (x)"]);
  const broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"];
  expect(() => migrate(database, broken)).toThrow();
  expect(version(database)).toBe(1);
  expect(() => database.run("SELECT * FROM b")).toThrow();
});

test("a newer database is refused", () => {
  using database = new Database(":memory:");
  migrate(database, ["CREATE TABLE a (x)", "CREATE TABLE b (x)"]);
  expect(() => migrate(database, ["CREATE TABLE a (x)"])).toThrow(
    new BhattiError(
      "database_too_new",
      "The database has schema version 2, this version of bhatti supports up to 1",
    ),
  );
});
