/** The shares table: links to web shells, by the sandbox that each opens; and what was started through them. */
import type { Database } from "bun:sqlite";
import { flag, nullable, Records, text } from "./columns.ts";

const records = new Records({
  sandboxId: text("sandbox_id"),
  /** SHA-256 of the token, in hexadecimal. */
  tokenHash: text("token_hash"),
  readOnly: flag("read_only"),
  /** Null: until it is revoked. */
  expiresAt: nullable(text("expires_at")),
  createdAt: text("created_at"),
});
export type ShareRecord = ReturnType<typeof records.parse>;

/** Of one share: more than a sandbox runs at once. */
const retainedSessions = 100;

export class ShareTable {
  readonly #insert;
  readonly #of;
  readonly #delete;
  readonly #addSession;
  readonly #trimSessions;
  readonly #session;

  constructor(database: Database) {
    this.#insert = records.inserter(database, "shares");
    this.#of = database.prepare("SELECT * FROM shares WHERE sandbox_id = ?");
    this.#delete = database.prepare("DELETE FROM shares WHERE sandbox_id = ?");
    this.#addSession = database.prepare(
      "INSERT OR IGNORE INTO share_sessions (sandbox_id, session) VALUES (?, ?)",
    );
    this.#trimSessions = database.prepare(
      `DELETE FROM share_sessions WHERE sandbox_id = $sandboxId AND rowid NOT IN
         (SELECT rowid FROM share_sessions WHERE sandbox_id = $sandboxId ORDER BY rowid DESC LIMIT $retained)`,
    );
    this.#session = database.prepare(
      "SELECT 1 FROM share_sessions WHERE sandbox_id = ? AND session = ?",
    );
  }

  /** Throws a unique violation when the sandbox has one. */
  insert(share: ShareRecord): void {
    this.#insert(share);
  }

  of(sandboxId: string): ShareRecord | undefined {
    return records.found(this.#of.get(sandboxId));
  }

  /** What was started through it is forgotten with it. Whether there was one. */
  delete(sandboxId: string): boolean {
    return this.#delete.run(sandboxId).changes > 0;
  }

  /** Throws when the sandbox has no share. */
  addSession(sandboxId: string, session: string): void {
    this.#addSession.run(sandboxId, session);
    this.#trimSessions.run({ sandboxId, retained: retainedSessions });
  }

  hasSession(sandboxId: string, session: string): boolean {
    return this.#session.get(sandboxId, session) !== null;
  }
}
