/** The users table, and the keys by which users are known. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { rowOf } from "./columns.ts";

const UserRow = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(["user", "admin"]),
    max_sandboxes: z.int(),
    max_cpus: z.int(),
    max_memory_mb: z.int(),
    max_snapshots: z.int(),
    created_at: z.string(),
  })
  .transform((row) => ({
    id: row.id,
    name: row.name,
    role: row.role,
    maxSandboxes: row.max_sandboxes,
    maxCpus: row.max_cpus,
    maxMemoryMB: row.max_memory_mb,
    maxSnapshots: row.max_snapshots,
    createdAt: row.created_at,
  }));
export type User = z.infer<typeof UserRow>;

export class UserTable {
  readonly #insert;
  readonly #byKey;
  readonly #byId;
  readonly #byName;
  readonly #all;
  readonly #delete;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO users (id, name, role, max_sandboxes, max_cpus, max_memory_mb, max_snapshots, created_at)
       VALUES ($id, $name, $role, $maxSandboxes, $maxCpus, $maxMemoryMB, $maxSnapshots, $createdAt)`,
    );
    this.#byKey = database.prepare(
      "SELECT users.* FROM keys JOIN users ON users.id = keys.user_id WHERE keys.sha256 = ?",
    );
    this.#byId = database.prepare("SELECT * FROM users WHERE id = ?");
    this.#byName = database.prepare("SELECT * FROM users WHERE name = ?");
    this.#all = database.prepare("SELECT * FROM users ORDER BY created_at, name");
    this.#delete = database.prepare("DELETE FROM users WHERE id = ?");
  }

  insert(user: User): void {
    this.#insert.run(user);
  }

  byKey(sha256: string): User | undefined {
    return rowOf(UserRow, this.#byKey.get(sha256));
  }

  byId(id: string): User | undefined {
    return rowOf(UserRow, this.#byId.get(id));
  }

  byName(name: string): User | undefined {
    return rowOf(UserRow, this.#byName.get(name));
  }

  all(): User[] {
    return this.#all.all().map((row) => UserRow.parse(row));
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}
