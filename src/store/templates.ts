/** The templates table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { Flag, rowOf, TextMap } from "./columns.ts";

const TemplateRow = z
  .object({
    id: z.string(),
    user_id: z.string(),
    name: z.string(),
    image: z.string().nullable(),
    cpus: z.int().nullable(),
    memory_mb: z.int().nullable(),
    disk_size_mb: z.int().nullable(),
    env: TextMap,
    init: z.string().nullable(),
    keep_hot: Flag,
    labels: TextMap,
    created_at: z.string(),
  })
  .transform((row) => ({
    id: row.id,
    userId: row.user_id,
    name: row.name,
    image: row.image,
    cpus: row.cpus,
    memoryMB: row.memory_mb,
    diskSizeMB: row.disk_size_mb,
    env: row.env,
    init: row.init,
    keepHot: row.keep_hot,
    labels: row.labels,
    createdAt: row.created_at,
  }));
/** What it leaves to the daemon's defaults is null. */
export type TemplateRecord = z.infer<typeof TemplateRow>;

export class TemplateTable {
  readonly #insert;
  readonly #byId;
  readonly #byName;
  readonly #ofUser;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO templates (id, user_id, name, image, cpus, memory_mb, disk_size_mb, env, init, keep_hot, labels,
         created_at)
       VALUES ($id, $userId, $name, $image, $cpus, $memoryMB, $diskSizeMB, $env, $init, $keepHot, $labels,
         $createdAt)`,
    );
    this.#byId = database.prepare("SELECT * FROM templates WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM templates WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      "SELECT * FROM templates WHERE user_id = ? ORDER BY created_at, id",
    );
    this.#delete = database.prepare("DELETE FROM templates WHERE id = ?");
  }

  /** Throws a unique violation when the user has a template of that name. */
  insert(template: TemplateRecord): void {
    this.#insert.run({
      ...template,
      env: JSON.stringify(template.env),
      labels: JSON.stringify(template.labels),
      keepHot: template.keepHot ? 1 : 0,
    });
  }

  byId(id: string): TemplateRecord | undefined {
    return rowOf(TemplateRow, this.#byId.get(id));
  }

  byName(userId: string, name: string): TemplateRecord | undefined {
    return rowOf(TemplateRow, this.#byName.get(userId, name));
  }

  ofUser(userId: string): TemplateRecord[] {
    return this.#ofUser.all(userId).map((row) => TemplateRow.parse(row));
  }

  /** Whether the row was there. */
  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
