/** The shares table: links to web shells, by the sandbox that each opens; and what was started through them. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { Flag, rowOf } from "./columns.ts";

const ShareRow = z
  .object({
    sandbox_id: z.string(),
    token_hash: z.string(),
    read_only: Flag,
    expires_at: z.string().nullable(),
    created_at: z.string(),
  })
  .transform((row) => ({
    sandboxId: row.sandbox_id,
    /** SHA-256 of the token, in hexadecimal. */
    tokenHash: row.token_hash,
    readOnly: row.read_only,
    /** Null: until it is revoked. */
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  }));
export type ShareRecord = z.infer<typeof ShareRow>;

export class ShareTable {
  readonly #insert;
  readonly #of;
  readonly #delete;
  readonly #addSession;
  readonly #session;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO shares (sandbox_id, token_hash, read_only, expires_at, created_at)
       VALUES ($sandboxId, $tokenHash, $readOnly, $expiresAt, $createdAt)`,
    );
    this.#of = database.prepare("SELECT * FROM shares WHERE sandbox_id = ?");
    this.#delete = database.prepare("DELETE FROM shares WHERE sandbox_id = ?");
    this.#addSession = database.prepare(
      "INSERT OR IGNORE INTO share_sessions (sandbox_id, session) VALUES (?, ?)",
    );
    this.#session = database.prepare(
      "SELECT 1 FROM share_sessions WHERE sandbox_id = ? AND session = ?",
    );
  }

  /** Throws a unique violation when the sandbox has one. */
  insert(share: ShareRecord): void {
    this.#insert.run({ ...share, readOnly: share.readOnly ? 1 : 0 });
  }

  of(sandboxId: string): ShareRecord | undefined {
    return rowOf(ShareRow, this.#of.get(sandboxId));
  }

  /** What was started through it is forgotten with it. Whether there was one. */
  delete(sandboxId: string): boolean {
    return this.#delete.run(sandboxId).changes > 0;
  }

  /** Throws when the sandbox has no share. */
  addSession(sandboxId: string, session: string): void {
    this.#addSession.run(sandboxId, session);
  }

  hasSession(sandboxId: string, session: string): boolean {
    return this.#session.get(sandboxId, session) !== null;
  }
}
