/** The sandboxes table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { traitKeys } from "../contract/sandbox-traits.ts";
import { choice, nullable, Records, text, whole } from "./columns.ts";
import { sandboxTraitColumns } from "./trait-columns.ts";

export const SandboxStatus = z.enum(["creating", "running", "stopped", "unknown"]);
export type SandboxStatus = z.infer<typeof SandboxStatus>;

export const Thermal = z.enum(["hot", "warm", "cold"]);
export type Thermal = z.infer<typeof Thermal>;

const records = new Records({
  id: text("id"),
  userId: text("user_id"),
  name: text("name"),
  templateId: nullable(text("template_id")),
  status: choice("status", SandboxStatus.options),
  statusReason: nullable(text("status_reason")),
  engineId: nullable(text("engine_id")),
  /** Number of its last start whose processors ran; 0 before the first. */
  epoch: whole("epoch"),
  imageDigest: text("image_digest"),
  thermal: choice("thermal", Thermal.options),
  expiresAt: nullable(text("expires_at")),
  lastActiveAt: nullable(text("last_active_at")),
  createdAt: text("created_at"),
  stoppedAt: nullable(text("stopped_at")),
  destroyRequestedAt: nullable(text("destroy_requested_at")),
  ...sandboxTraitColumns,
});
/** A sandbox as stored: its settings and its state. */
export type SandboxRecord = ReturnType<typeof records.parse>;

/** Lists leave out the settings that may be long. */
const listed = records.without("env", "init");
export type ListedSandbox = ReturnType<typeof listed.parse>;

const changing = ["status", "thermal", "statusReason", "engineId", "epoch", "stoppedAt"] as const;
/** Fields that the daemon changes. */
export type SandboxChange = Pick<SandboxRecord, (typeof changing)[number]>;

const editable = ["name", "expiresAt", ...traitKeys] as const;
/** Fields that the user may change. */
export type SandboxEdit = Pick<SandboxRecord, (typeof editable)[number]>;

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
  readonly #storeUsage;
  readonly #usageOf;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = records.inserter(database, "sandboxes");
    this.#update = records.updater(database, "sandboxes", changing);
    this.#edit = records.updater(database, "sandboxes", editable);
    this.#byId = database.prepare("SELECT * FROM sandboxes WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM sandboxes WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      `SELECT ${listed.names} FROM sandboxes WHERE user_id = ? ORDER BY created_at, id`,
    );
    this.#all = database.prepare("SELECT * FROM sandboxes ORDER BY created_at, id");
    this.#count = database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM sandboxes WHERE user_id = ?",
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
    this.#storeUsage = database.prepare("UPDATE sandboxes SET usage = $usage WHERE id = $id");
    this.#usageOf = database.prepare<{ usage: string }, [string]>(
      "SELECT usage FROM sandboxes WHERE id = ? AND usage IS NOT NULL",
    );
    this.#delete = database.prepare("DELETE FROM sandboxes WHERE id = ?");
  }

  /** Throws a unique violation when the user has a sandbox of that name. */
  insert(sandbox: SandboxRecord): void {
    this.#insert(sandbox);
  }

  byId(id: string): SandboxRecord | undefined {
    return records.found(this.#byId.get(id));
  }

  byName(userId: string, name: string): SandboxRecord | undefined {
    return records.found(this.#byName.get(userId, name));
  }

  ofUser(userId: string): ListedSandbox[] {
    return this.#ofUser.all(userId).map((row) => listed.parse(row));
  }

  all(): SandboxRecord[] {
    return this.#all.all().map((row) => records.parse(row));
  }

  countOf(userId: string): number {
    return this.#count.get(userId)?.count ?? 0;
  }

  /** Whether the row was there. */
  update(id: string, change: SandboxChange): boolean {
    return this.#update(id, change);
  }

  /** Throws a unique violation when the user has another sandbox of that name. */
  edit(id: string, edit: SandboxEdit): boolean {
    return this.#edit(id, edit);
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

  /** `usage`: as stored. */
  storeUsage(id: string, usage: string): void {
    this.#storeUsage.run({ id, usage });
  }

  usageOf(id: string): string | undefined {
    return this.#usageOf.get(id)?.usage;
  }

  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
