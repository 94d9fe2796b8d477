/** The templates table. */
import type { Database } from "bun:sqlite";
import { Records, text } from "./columns.ts";
import { templateTraitColumns } from "./trait-columns.ts";

const records = new Records({
  id: text("id"),
  userId: text("user_id"),
  name: text("name"),
  createdAt: text("created_at"),
  ...templateTraitColumns,
});
/** The settings that it leaves to the daemon's defaults are null. */
export type TemplateRecord = ReturnType<typeof records.parse>;

/** Lists leave out the settings that may be long. */
const listed = records.without("env", "init");
export type ListedTemplate = ReturnType<typeof listed.parse>;

export interface TemplateUsage {
  count: number;
  /** Of their environments and init scripts; the rest is short. */
  bytes: number;
}

export class TemplateTable {
  readonly #insert;
  readonly #byId;
  readonly #byName;
  readonly #ofUser;
  readonly #usage;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = records.inserter(database, "templates");
    this.#byId = database.prepare("SELECT * FROM templates WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM templates WHERE user_id = ? AND name = ?");
    this.#ofUser = database.prepare(
      `SELECT ${listed.names} FROM templates WHERE user_id = ? ORDER BY created_at, id`,
    );
    this.#usage = database.prepare<TemplateUsage, [string]>(
      `SELECT count(*) AS count, ifnull(sum(octet_length(env) + ifnull(octet_length(init), 0)), 0) AS bytes
       FROM templates WHERE user_id = ?`,
    );
    this.#delete = database.prepare("DELETE FROM templates WHERE id = ?");
  }

  /** Throws a unique violation when the user has a template of that name. */
  insert(template: TemplateRecord): void {
    this.#insert(template);
  }

  byId(id: string): TemplateRecord | undefined {
    return records.found(this.#byId.get(id));
  }

  byName(userId: string, name: string): TemplateRecord | undefined {
    return records.found(this.#byName.get(userId, name));
  }

  ofUser(userId: string): ListedTemplate[] {
    return this.#ofUser.all(userId).map((row) => listed.parse(row));
  }

  usageOf(userId: string): TemplateUsage {
    return this.#usage.get(userId) ?? { count: 0, bytes: 0 };
  }

  /** Whether the row was there. */
  delete(id: string): boolean {
    return this.#delete.run(id).changes === 1;
  }
}
