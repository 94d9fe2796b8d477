/** The operations table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { rowOf } from "./columns.ts";

export const OperationKind = z.enum([
  "sandbox.create",
  "sandbox.fork",
  "sandbox.stop",
  "snapshot.create",
  "snapshot.resume",
  "snapshot.restore",
  "image.build",
]);
export type OperationKind = z.infer<typeof OperationKind>;

export const OperationState = z.enum(["pending", "running", "succeeded", "failed", "cancelled"]);
export type OperationState = z.infer<typeof OperationState>;

const Named = z.object({ id: z.string(), name: z.string() });

const OperationResult = z.object({
  sandboxes: z.array(Named).exactOptional(),
  snapshot: Named.extend({ size_mb: z.int() }).exactOptional(),
  image: z.string().exactOptional(),
  size_mb: z.int().exactOptional(),
  source: z.string().exactOptional(),
});
/** What it has made or changed, as the API shows it. */
export type OperationResult = z.infer<typeof OperationResult>;

const OperationError = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().exactOptional(),
});
export type OperationError = z.infer<typeof OperationError>;

const StateBefore = z.object({
  /** Ids of the sandboxes that it makes. */
  sandboxes: z.array(z.string()).exactOptional(),
  /** The target's machine. */
  engineId: z.string().nullable().exactOptional(),
  /** The target's status. */
  status: z.string().exactOptional(),
});
/** What recovery compares with the state after a crash. */
export type StateBefore = z.infer<typeof StateBefore>;

const OperationRow = z
  .object({
    id: z.string(),
    kind: OperationKind,
    user_id: z.string().nullable(),
    target_kind: z.enum(["sandbox", "snapshot", "image"]),
    target_id: z.string().nullable(),
    target_name: z.string(),
    state: OperationState,
    progress: z.string(),
    state_before: json(StateBefore),
    runner: z.string(),
    deadline: z.string(),
    result: json(OperationResult).nullable(),
    error: json(OperationError).nullable(),
    created_at: z.string(),
    started_at: z.string().nullable(),
    ended_at: z.string().nullable(),
  })
  .transform((row) => ({
    id: row.id,
    kind: row.kind,
    /** Null: the operator's. */
    userId: row.user_id,
    target: { kind: row.target_kind, id: row.target_id, name: row.target_name },
    state: row.state,
    progress: row.progress,
    before: row.state_before,
    runner: row.runner,
    deadline: row.deadline,
    result: row.result,
    error: row.error,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  }));
export type OperationRecord = z.infer<typeof OperationRow>;

/** How an operation ended. */
export type OperationEnd = Pick<OperationRecord, "progress" | "result" | "error"> & {
  state: "succeeded" | "failed" | "cancelled";
  endedAt: string;
};

export class OperationTable {
  readonly #insert;
  readonly #byId;
  readonly #ofUser;
  readonly #unfinished;
  readonly #countUnfinished;
  readonly #start;
  readonly #progress;
  readonly #end;
  readonly #deleteEndedBefore;
  readonly #deleteOldest;

  constructor(database: Database) {
    this.#insert = database.prepare(
      `INSERT INTO operations (id, kind, user_id, target_kind, target_id, target_name, state, progress, state_before, runner,
         deadline, result, error, created_at, started_at, ended_at)
       VALUES ($id, $kind, $userId, $targetKind, $targetId, $targetName, $state, $progress, $before, $runner, $deadline,
         NULL, NULL, $createdAt, $startedAt, NULL)`,
    );
    this.#byId = database.prepare("SELECT * FROM operations WHERE id = ?");
    this.#ofUser = database.prepare(
      "SELECT * FROM operations WHERE user_id IS ? ORDER BY created_at DESC, rowid DESC",
    );
    this.#unfinished = database.prepare(
      "SELECT * FROM operations WHERE ended_at IS NULL ORDER BY created_at, rowid",
    );
    this.#countUnfinished = database.prepare<{ count: number }, [string | null]>(
      "SELECT count(*) AS count FROM operations WHERE user_id IS ? AND ended_at IS NULL",
    );
    this.#start = database.prepare(
      `UPDATE operations SET state = 'running', progress = '', started_at = $startedAt, state_before = $before
       WHERE id = $id AND state = 'pending'`,
    );
    this.#progress = database.prepare(
      "UPDATE operations SET progress = $progress WHERE id = $id AND ended_at IS NULL",
    );
    this.#end = database.prepare(
      `UPDATE operations SET state = $state, progress = $progress, result = $result, error = $error,
         ended_at = $endedAt WHERE id = $id AND ended_at IS NULL`,
    );
    this.#deleteEndedBefore = database.prepare("DELETE FROM operations WHERE ended_at < ?");
    this.#deleteOldest = database.prepare(
      `DELETE FROM operations WHERE user_id IS $userId AND ended_at IS NOT NULL AND id NOT IN
         (SELECT id FROM operations WHERE user_id IS $userId ORDER BY created_at DESC, rowid DESC LIMIT $retained)`,
    );
  }

  insert({ target, before, ...rest }: Omit<OperationRecord, "result" | "error" | "endedAt">): void {
    this.#insert.run({
      ...rest,
      targetKind: target.kind,
      targetId: target.id,
      targetName: target.name,
      before: JSON.stringify(before),
    });
  }

  byId(id: string): OperationRecord | undefined {
    return rowOf(OperationRow, this.#byId.get(id));
  }

  /** Newest first; the operator's for null. */
  ofUser(userId: string | null): OperationRecord[] {
    return this.#ofUser.all(userId).map((row) => OperationRow.parse(row));
  }

  /** Of all users, oldest first. */
  unfinished(): OperationRecord[] {
    return this.#unfinished.all().map((row) => OperationRow.parse(row));
  }

  countUnfinished(userId: string | null): number {
    return this.#countUnfinished.get(userId)?.count ?? 0;
  }

  start({ id, startedAt, before }: OperationRecord): void {
    this.#start.run({ id, startedAt, before: JSON.stringify(before) });
  }

  progress(id: string, progress: string): void {
    this.#progress.run({ id, progress });
  }

  /** Whether it was unfinished until now. */
  end(id: string, { result, error, ...rest }: OperationEnd): boolean {
    const columns = {
      ...rest,
      id,
      result: result && JSON.stringify(result),
      error: error && JSON.stringify(error),
    };
    return this.#end.run(columns).changes === 1;
  }

  deleteEndedBefore(at: string): void {
    this.#deleteEndedBefore.run(at);
  }

  /** Deletes a user's ended operations but for the newest `retained`. */
  deleteOldest(userId: string | null, retained: number): void {
    this.#deleteOldest.run({ userId, retained });
  }
}

function json<S extends z.ZodType>(schema: S) {
  return z.string().transform((text): z.output<S> => schema.parse(JSON.parse(text)));
}
