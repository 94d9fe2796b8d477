/** The images table. */
import type { Database } from "bun:sqlite";
import { nullable, Records, text, whole } from "./columns.ts";

const records = new Records({
  id: text("id"),
  /** Null: the operator's, seen by every user. */
  userId: nullable(text("user_id")),
  name: text("name"),
  digest: text("digest"),
  source: text("source"),
  /** Relative to the data directory. */
  path: text("path"),
  sizeMB: whole("size_mb"),
  createdAt: text("created_at"),
});
export type ImageRecord = ReturnType<typeof records.parse>;

export class ImageTable {
  readonly #put;
  readonly #get;
  readonly #visible;

  constructor(database: Database) {
    this.#put = database.prepare(
      `INSERT INTO images (id, user_id, name, digest, source, path, size_mb, created_at)
       VALUES ($id, $userId, $name, $digest, $source, $path, $sizeMB, $createdAt)
       ON CONFLICT (ifnull(user_id, ''), name) DO UPDATE SET digest = excluded.digest,
         source = excluded.source, path = excluded.path, size_mb = excluded.size_mb,
         created_at = excluded.created_at`,
    );
    this.#get = database.prepare("SELECT * FROM images WHERE user_id IS ? AND name = ?");
    this.#visible = database.prepare(
      "SELECT * FROM images WHERE user_id IS NULL OR user_id IS ? ORDER BY name, user_id",
    );
  }

  /** Inserts the image, or replaces its owner's image of that name, which keeps its id. */
  put(image: ImageRecord): void {
    this.#put.run(image);
  }

  get(userId: string | null, name: string): ImageRecord | undefined {
    return records.found(this.#get.get(userId, name));
  }

  /** A user's own and the operator's; the operator's alone for null. */
  visibleTo(userId: string | null): ImageRecord[] {
    return this.#visible.all(userId).map((row) => records.parse(row));
  }
}
