/** Brings a database to this program's schema, one numbered file at a time, and refuses a newer one. */
import type { Database } from "bun:sqlite";
import { BhattiError } from "../errors/bhatti-error.ts";
import initial from "./migrations/001-initial.sql" with { type: "text" };
import lifecycle from "./migrations/002-lifecycle.sql" with { type: "text" };
import templates from "./migrations/003-templates.sql" with { type: "text" };
import sessions from "./migrations/004-sessions.sql" with { type: "text" };
import shares from "./migrations/005-shares.sql" with { type: "text" };
import ownership from "./migrations/006-ownership.sql" with { type: "text" };
import operations from "./migrations/007-operations.sql" with { type: "text" };
import retention from "./migrations/008-retention.sql" with { type: "text" };
import usage from "./migrations/009-usage.sql" with { type: "text" };
import networks from "./migrations/010-networks.sql" with { type: "text" };

/** In order; the version of a schema is the number of files it took. Never edit one that was released. */
export const migrations: readonly string[] = [
  initial,
  lifecycle,
  templates,
  sessions,
  shares,
  ownership,
  operations,
  retention,
  usage,
  networks,
];

export function migrate(database: Database, steps: readonly string[] = migrations): void {
  // IMMEDIATE: of two processes that open a fresh database at once, one migrates and the other waits.
  database
    .transaction(() => {
      database.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT");
      const version = versionOf(database);
      if (version > steps.length) {
        throw new BhattiError(
          "database_too_new",
          `The database has schema version ${version}, this version of bhatti supports up to ${steps.length}`,
        );
      }
      for (const sql of steps.slice(version)) database.run(sql);
      if (version === steps.length) return;
      database.run("DELETE FROM schema_version");
      database.run("INSERT INTO schema_version (version) VALUES (?)", [steps.length]);
    })
    .immediate();
}

function versionOf(database: Database): number {
  const row = database
    .query<{ version: number }, []>("SELECT max(version) AS version FROM schema_version")
    .get();
  return row?.version ?? 0;
}
