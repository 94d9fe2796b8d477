/** The users table, and the keys by which users are known. */
import type { Database } from "bun:sqlite";
import { choice, Records, text, whole } from "./columns.ts";

const records = new Records({
  id: text("id"),
  name: text("name"),
  role: choice("role", ["user", "admin"]),
  maxSandboxes: whole("max_sandboxes"),
  maxCpus: whole("max_cpus"),
  maxMemoryMB: whole("max_memory_mb"),
  maxSnapshots: whole("max_snapshots"),
  createdAt: text("created_at"),
});
export type User = ReturnType<typeof records.parse>;

export class UserTable {
  readonly #insert;
  readonly #byKey;
  readonly #byId;
  readonly #byName;
  readonly #all;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = records.inserter(database, "users");
    this.#byKey = database.prepare(
      "SELECT users.* FROM keys JOIN users ON users.id = keys.user_id WHERE keys.sha256 = ?",
    );
    this.#byId = database.prepare("SELECT * FROM users WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM users WHERE name = ?");
    this.#all = database.prepare("SELECT * FROM users ORDER BY created_at, name");
    this.#delete = database.prepare("DELETE FROM users WHERE id = ?");
  }

  insert(user: User): void {
    this.#insert(user);
  }

  byKey(sha256: string): User | undefined {
    return records.found(this.#byKey.get(sha256));
  }

  byId(id: string): User | undefined {
    return records.found(this.#byId.get(id));
  }

  byName(name: string): User | undefined {
    return records.found(this.#byName.get(name));
  }

  all(): User[] {
    return this.#all.all().map((row) => records.parse(row));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}
