/** The sandboxes table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";

export const SandboxStatus = z.enum(["creating", "running", "stopped", "unknown"]);
export type SandboxStatus = z.infer<typeof SandboxStatus>;

const TextMap = z.record(z.string(), z.string());

const SandboxRow = z
  .object({
    id: z.string(),
    user_id: z.string(),
    name: z.string(),
    status: SandboxStatus,
    status_reason: z.string().nullable(),
    engine_id: z.string().nullable(),
    image: z.string(),
    image_digest: z.string(),
    cpus: z.int(),
    memory_mb: z.int(),
    disk_size_mb: z.int(),
    env: z.string(),
    init: z.string().nullable(),
    keep_hot: z.int(),
    labels: z.string(),
    created_at: z.string(),
    stopped_at: z.string().nullable(),
    destroy_requested_at: z.string().nullable(),
  })
  .transform((row) => ({
    id: row.id,
    userId: row.user_id,
    name: row.name,
    status: row.status,
    statusReason: row.status_reason,
    engineId: row.engine_id,
    image: row.image,
    imageDigest: row.image_digest,
    cpus: row.cpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_size_mb,
    env: TextMap.parse(JSON.parse(row.env)),
    init: row.init,
    keepHot: row.keep_hot === 1,
    labels: TextMap.parse(JSON.parse(row.labels)),
    createdAt: row.created_at,
    stoppedAt: row.stopped_at,
    destroyRequestedAt: row.destroy_requested_at,
  }));
/** A sandbox as it is stored: what it was asked to be, and what became of it. */
export type SandboxRecord = z.infer<typeof SandboxRow>;

/** What of a record changes over its life. */
export interface SandboxChange {
  status: SandboxStatus;
  statusReason: string | null;
  engineId: string | null;
  stoppedAt: string | null;
}

export class SandboxTable {
  readonly #insert;
  readonly #byId;
  readonly #byName;
  readonly #ofUser;
  readonly #all;
  readonly #count;
  readonly #update;
  readonly #requestDestroy;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO sandboxes (id, user_id, name, status, status_reason, engine_id, image, image_digest, cpus,
         memory_mb, disk_size_mb, env, init, keep_hot, labels, created_at, stopped_at, destroy_requested_at)
       VALUES ($id, $userId, $name, $status, $statusReason, $engineId, $image, $imageDigest, $cpus,
         $memoryMB, $diskSizeMB, $env, $init, $keepHot, $labels, $createdAt, $stoppedAt, $destroyRequestedAt)`,
    );
    this.#byId = database.prepare("SELECT * FROM sandboxes WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM sandboxes WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      "SELECT * FROM sandboxes WHERE user_id = ? ORDER BY created_at, id",
    );
    this.#all = database.prepare("SELECT * FROM sandboxes ORDER BY created_at, id");
    this.#count = database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM sandboxes WHERE user_id = ?",
    );
    this.#update = database.prepare(
      `UPDATE sandboxes SET status = $status, status_reason = $statusReason, engine_id = $engineId,
         stopped_at = $stoppedAt WHERE id = $id`,
    );
    this.#requestDestroy = database.prepare(
      "UPDATE sandboxes SET destroy_requested_at = $at WHERE id = $id",
    );
    this.#delete = database.prepare("DELETE FROM sandboxes WHERE id = ?");
  }

  /** Throws a unique violation when the user has a sandbox of that name. */
  insert(sandbox: SandboxRecord): void {
    this.#insert.run({
      ...sandbox,
      env: JSON.stringify(sandbox.env),
      labels: JSON.stringify(sandbox.labels),
      keepHot: sandbox.keepHot ? 1 : 0,
    });
  }

  byId(id: string): SandboxRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(userId: string, name: string): SandboxRecord | undefined {
    return optional(this.#byName.get(userId, name));
  }

  ofUser(userId: string): SandboxRecord[] {
    return this.#ofUser.all(userId).map((row) => SandboxRow.parse(row));
  }

  all(): SandboxRecord[] {
    return this.#all.all().map((row) => SandboxRow.parse(row));
  }

  countOf(userId: string): number {
    return this.#count.get(userId)?.count ?? 0;
  }

  /** Whether the row was there. */
  update(id: string, change: SandboxChange): boolean {
    return this.#update.run({ id, ...change }).changes === 1;
  }

  requestDestroy(id: string, at: string): void {
    this.#requestDestroy.run({ id, at });
  }

  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}

function optional(row: unknown): SandboxRecord | undefined {
  return row ? SandboxRow.parse(row) : undefined;
}
