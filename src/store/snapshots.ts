/** The snapshots table: what is kept of sandboxes. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { rowOf, TextMap } from "./columns.ts";

export const SnapshotKind = z.enum(["full", "filesystem"]);
export type SnapshotKind = z.infer<typeof SnapshotKind>;

const SnapshotRow = z
  .object({
    id: z.string(),
    user_id: z.string(),
    name: z.string(),
    kind: SnapshotKind,
    status: z.enum(["creating", "ready"]),
    source_id: z.string(),
    source_name: z.string(),
    image: z.string(),
    image_digest: z.string(),
    cpus: z.int(),
    memory_mb: z.int(),
    disk_size_mb: z.int(),
    env: TextMap,
    init: z.string().nullable(),
    labels: TextMap,
    size_mb: z.int(),
    paused_ms: z.number(),
    created_at: z.string(),
  })
  .transform((row) => ({
    id: row.id,
    userId: row.user_id,
    name: row.name,
    kind: row.kind,
    status: row.status,
    sourceId: row.source_id,
    sourceName: row.source_name,
    image: row.image,
    imageDigest: row.image_digest,
    cpus: row.cpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_size_mb,
    env: row.env,
    init: row.init,
    labels: row.labels,
    sizeMB: row.size_mb,
    pausedMs: row.paused_ms,
    createdAt: row.created_at,
  }));
/** A snapshot as it is stored: its files are the engine's business. */
export type SnapshotRecord = z.infer<typeof SnapshotRow>;

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
    this.#insert = database.prepare(
      `INSERT INTO snapshots (id, user_id, name, kind, status, source_id, source_name, image, image_digest, cpus,
         memory_mb, disk_size_mb, env, init, labels, size_mb, paused_ms, created_at)
       VALUES ($id, $userId, $name, $kind, $status, $sourceId, $sourceName, $image, $imageDigest, $cpus,
         $memoryMB, $diskSizeMB, $env, $init, $labels, $sizeMB, $pausedMs, $createdAt)`,
    );
    this.#byId = database.prepare("SELECT * FROM snapshots WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM snapshots WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      "SELECT * FROM snapshots WHERE user_id = ? ORDER BY created_at, id",
    );
    this.#all = database.prepare("SELECT * FROM snapshots ORDER BY created_at, id");
    this.#count = database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM snapshots WHERE user_id = ?",
    );
    this.#finish = database.prepare(
      "UPDATE snapshots SET status = 'ready', size_mb = $sizeMB, paused_ms = $pausedMs WHERE id = $id",
    );
    this.#delete = database.prepare("DELETE FROM snapshots WHERE id = ?");
  }

  /** Throws a unique violation when the user has a snapshot of that name. */
  insert(snapshot: SnapshotRecord): void {
    const { env, labels, ...rest } = snapshot;
    this.#insert.run({ ...rest, env: JSON.stringify(env), labels: JSON.stringify(labels) });
  }

  byId(id: string): SnapshotRecord | undefined {
    return rowOf(SnapshotRow, this.#byId.get(id));
  }

  byName(userId: string, name: string): SnapshotRecord | undefined {
    return rowOf(SnapshotRow, this.#byName.get(userId, name));
  }

  ofUser(userId: string): SnapshotRecord[] {
    return this.#ofUser.all(userId).map((row) => SnapshotRow.parse(row));
  }

  all(): SnapshotRecord[] {
    return this.#all.all().map((row) => SnapshotRow.parse(row));
  }

  countOf(userId: string): number {
    return this.#count.get(userId)?.count ?? 0;
  }

  /** Its files are complete and durable. */
  finish(id: string, facts: { sizeMB: number; pausedMs: number }): void {
    this.#finish.run({ id, ...facts });
  }

  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
