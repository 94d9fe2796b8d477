/** The sandboxes table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { Flag, rowOf, TextMap } from "./columns.ts";

export const SandboxStatus = z.enum(["creating", "running", "stopped", "unknown"]);
export type SandboxStatus = z.infer<typeof SandboxStatus>;

export const Thermal = z.enum(["hot", "warm", "cold"]);
export type Thermal = z.infer<typeof Thermal>;

const SandboxRow = z
  .object({
    id: z.string(),
    user_id: z.string(),
    name: z.string(),
    template_id: z.string().nullable(),
    status: SandboxStatus,
    status_reason: z.string().nullable(),
    engine_id: z.string().nullable(),
    epoch: z.int(),
    image: z.string(),
    image_digest: z.string(),
    cpus: z.int(),
    memory_mb: z.int(),
    disk_size_mb: z.int(),
    env: TextMap,
    init: z.string().nullable(),
    keep_hot: Flag,
    thermal: Thermal,
    idle_warm_s: z.int().nullable(),
    idle_cold_s: z.int().nullable(),
    expires_at: z.string().nullable(),
    last_active_at: z.string().nullable(),
    labels: TextMap,
    created_at: z.string(),
    stopped_at: z.string().nullable(),
    destroy_requested_at: z.string().nullable(),
  })
  .transform((row) => ({
    id: row.id,
    userId: row.user_id,
    name: row.name,
    templateId: row.template_id,
    status: row.status,
    statusReason: row.status_reason,
    engineId: row.engine_id,
    /** Number of its last start whose processors ran; 0 before the first. */
    epoch: row.epoch,
    image: row.image,
    imageDigest: row.image_digest,
    cpus: row.cpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_size_mb,
    env: row.env,
    init: row.init,
    keepHot: row.keep_hot,
    thermal: row.thermal,
    idleWarmSeconds: row.idle_warm_s,
    idleColdSeconds: row.idle_cold_s,
    expiresAt: row.expires_at,
    lastActiveAt: row.last_active_at,
    labels: row.labels,
    createdAt: row.created_at,
    stoppedAt: row.stopped_at,
    destroyRequestedAt: row.destroy_requested_at,
  }));
/** A sandbox as it is stored: what it was asked to be, and what became of it. */
export type SandboxRecord = z.infer<typeof SandboxRow>;

/** What of a record changes over its life by itself. */
export interface SandboxChange {
  status: SandboxStatus;
  thermal: Thermal;
  statusReason: string | null;
  engineId: string | null;
  epoch: number;
  stoppedAt: string | null;
}

/** What of a record its user may change. */
export type SandboxEdit = Pick<
  SandboxRecord,
  "name" | "keepHot" | "labels" | "idleWarmSeconds" | "idleColdSeconds" | "expiresAt"
>;

/** What ran in a sandbox, in whatever form it is kept, and when (RFC 3339). */
export interface KeptSessions {
  json: string;
  at: string;
}

export class SandboxTable {
  readonly #insert;
  readonly #byId;
  readonly #byName;
  readonly #ofUser;
  readonly #all;
  readonly #count;
  readonly #update;
  readonly #edit;
  readonly #active;
  readonly #requestDestroy;
  readonly #rememberSessions;
  readonly #sessionsOf;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO sandboxes (id, user_id, name, template_id, status, status_reason, thermal, engine_id, epoch, image,
         image_digest, cpus, memory_mb, disk_size_mb, env, init, keep_hot, idle_warm_s, idle_cold_s, labels, created_at,
         stopped_at, last_active_at, expires_at, destroy_requested_at)
       VALUES ($id, $userId, $name, $templateId, $status, $statusReason, $thermal, $engineId, $epoch, $image,
         $imageDigest, $cpus, $memoryMB, $diskSizeMB, $env, $init, $keepHot, $idleWarmSeconds, $idleColdSeconds, $labels,
         $createdAt, $stoppedAt, $lastActiveAt, $expiresAt, $destroyRequestedAt)`,
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
      `UPDATE sandboxes SET status = $status, thermal = $thermal, status_reason = $statusReason,
         engine_id = $engineId, epoch = $epoch, stopped_at = $stoppedAt WHERE id = $id`,
    );
    this.#edit = database.prepare(
      `UPDATE sandboxes SET name = $name, keep_hot = $keepHot, labels = $labels, idle_warm_s = $idleWarmSeconds,
         idle_cold_s = $idleColdSeconds, expires_at = $expiresAt WHERE id = $id`,
    );
    this.#active = database.prepare("UPDATE sandboxes SET last_active_at = $at WHERE id = $id");
    this.#requestDestroy = database.prepare(
      "UPDATE sandboxes SET destroy_requested_at = $at WHERE id = $id",
    );
    this.#rememberSessions = database.prepare(
      "UPDATE sandboxes SET sessions = $json, sessions_at = $at WHERE id = $id",
    );
    this.#sessionsOf = database.prepare<KeptSessions, [string]>(
      "SELECT sessions AS json, sessions_at AS at FROM sandboxes WHERE id = ? AND sessions IS NOT NULL",
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
    return rowOf(SandboxRow, this.#byId.get(id));
  }

  byName(userId: string, name: string): SandboxRecord | undefined {
    return rowOf(SandboxRow, this.#byName.get(userId, name));
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

  /** Throws a unique violation when the user has another sandbox of that name. */
  edit(id: string, edit: SandboxEdit): boolean {
    const { name, idleWarmSeconds, idleColdSeconds, expiresAt } = edit;
    const labels = JSON.stringify(edit.labels);
    const keepHot = edit.keepHot ? 1 : 0;
    const times = { idleWarmSeconds, idleColdSeconds, expiresAt };
    return this.#edit.run({ id, name, labels, keepHot, ...times }).changes === 1;
  }

  /** Remembers when it was last seen at work (RFC 3339). */
  active(id: string, at: string): void {
    this.#active.run({ id, at });
  }

  requestDestroy(id: string, at: string): void {
    this.#requestDestroy.run({ id, at });
  }

  rememberSessions(id: string, { json, at }: KeptSessions): void {
    this.#rememberSessions.run({ id, json, at });
  }

  forgetSessions(id: string): void {
    this.#rememberSessions.run({ id, json: null, at: null });
  }

  sessionsOf(id: string): KeptSessions | undefined {
    return this.#sessionsOf.get(id) ?? undefined;
  }

  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
