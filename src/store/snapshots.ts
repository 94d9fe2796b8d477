/** The snapshots table: what is kept of sandboxes. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { choice, Records, real, text, whole } from "./columns.ts";
import { snapshotTraitColumns } from "./trait-columns.ts";

export const SnapshotKind = z.enum(["full", "filesystem"]);
export type SnapshotKind = z.infer<typeof SnapshotKind>;

const records = new Records({
  id: text("id"),
  userId: text("user_id"),
  name: text("name"),
  kind: choice("kind", SnapshotKind.options),
  status: choice("status", ["creating", "ready"]),
  sourceId: text("source_id"),
  sourceName: text("source_name"),
  imageDigest: text("image_digest"),
  sizeMB: whole("size_mb"),
  pausedMs: real("paused_ms"),
  createdAt: text("created_at"),
  ...snapshotTraitColumns,
});
/** A snapshot as it is stored: its files are the engine's business. */
export type SnapshotRecord = ReturnType<typeof records.parse>;

/** Lists leave out the settings that may be long. */
const listed = records.without("env", "init");
export type ListedSnapshot = ReturnType<typeof listed.parse>;

export class SnapshotTable {
  readonly #insert;
  readonly #byId;
  readonly #byName;
  readonly #ofUser;
  readonly #all;
  readonly #count;
  readonly #finish;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = records.inserter(database, "snapshots");
    this.#byId = database.prepare("SELECT * FROM snapshots WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM snapshots WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      `SELECT ${listed.names} FROM snapshots WHERE user_id = ? ORDER BY created_at, id`,
    );
    this.#all = database.prepare("SELECT * FROM snapshots ORDER BY created_at, id");
    this.#count = database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM snapshots WHERE user_id = ?",
    );
    this.#finish = records.updater(database, "snapshots", ["status", "sizeMB", "pausedMs"]);
    this.#delete = database.prepare("DELETE FROM snapshots WHERE id = ?");
  }

  /** Throws a unique violation when the user has a snapshot of that name. */
  insert(snapshot: SnapshotRecord): void {
    this.#insert(snapshot);
  }

  byId(id: string): SnapshotRecord | undefined {
    return records.found(this.#byId.get(id));
  }

  byName(userId: string, name: string): SnapshotRecord | undefined {
    return records.found(this.#byName.get(userId, name));
  }

  ofUser(userId: string): ListedSnapshot[] {
    return this.#ofUser.all(userId).map((row) => listed.parse(row));
  }

  all(): SnapshotRecord[] {
    return this.#all.all().map((row) => records.parse(row));
  }

  countOf(userId: string): number {
    return this.#count.get(userId)?.count ?? 0;
  }

  /** Its files are complete and durable. */
  finish(id: string, facts: { sizeMB: number; pausedMs: number }): void {
    this.#finish(id, { status: "ready", ...facts });
  }

  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
