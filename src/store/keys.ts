/** The keys table: only what a key hashes to, never the key. */
import type { Database } from "bun:sqlite";

export interface KeyRow {
  id: string;
  userId: string;
  sha256: string;
  createdAt: string;
}

export class KeyTable {
  readonly #insert;
  readonly #has;
  readonly #deleteOf;

  constructor(database: Database) {
    this.#insert = database.prepare(
      "INSERT INTO keys (id, user_id, sha256, created_at) VALUES ($id, $userId, $sha256, $createdAt)",
    );
    this.#has = database.prepare("SELECT 1 FROM keys WHERE sha256 = ?");
    this.#deleteOf = database.prepare("DELETE FROM keys WHERE user_id = ?");
  }

  insert(key: KeyRow): void {
    this.#insert.run({ ...key });
  }

  has(sha256: string): boolean {
    return this.#has.get(sha256) !== null;
  }

  deleteOf(userId: string): void {
    this.#deleteOf.run(userId);
  }
}
