/** The operations table. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import {
  type FinalOperationState,
  operationKinds,
  operationStates,
  operationTargets,
} from "../contract/operation-kinds.ts";
import { OperationError, OperationResult } from "../contract/operation-outcome.ts";
import { choice, json, nullable, Records, text } from "./columns.ts";

const StateBefore = z.object({
  /** Ids of the sandboxes that it makes. */
  sandboxes: z.array(z.string()).exactOptional(),
  /** The target's machine. */
  engineId: z.string().nullable().exactOptional(),
  /** The target's status. */
  status: z.string().exactOptional(),
});
/** State before the operation, which recovery compares with the state after a crash. */
export type StateBefore = z.infer<typeof StateBefore>;

const rows = new Records({
  id: text("id"),
  kind: choice("kind", operationKinds),
  /** Null: the operator's. */
  userId: nullable(text("user_id")),
  targetKind: choice("target_kind", operationTargets),
  targetId: nullable(text("target_id")),
  targetName: text("target_name"),
  state: choice("state", operationStates),
  progress: text("progress"),
  before: json("state_before", StateBefore),
  runner: text("runner"),
  deadline: text("deadline"),
  result: nullable(json("result", OperationResult)),
  error: nullable(json("error", OperationError)),
  createdAt: text("created_at"),
  startedAt: nullable(text("started_at")),
  endedAt: nullable(text("ended_at")),
});
export type OperationRecord = ReturnType<typeof recordOf>;

function recordOf(row: unknown) {
  const { targetKind, targetId, targetName, ...rest } = rows.parse(row);
  return { ...rest, target: { kind: targetKind, id: targetId, name: targetName } };
}

/** How an operation ended. */
export type OperationEnd = Pick<OperationRecord, "progress" | "result" | "error"> & {
  state: FinalOperationState;
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
    this.#insert = rows.inserter(database, "operations");
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
      `DELETE FROM operations WHERE ended_at IS NOT NULL AND rowid IN
         (SELECT row FROM (SELECT rowid AS row, row_number() OVER
           (PARTITION BY user_id ORDER BY created_at DESC, rowid DESC) AS place FROM operations) WHERE place > ?)`,
    );
  }

  insert({ target, ...rest }: Omit<OperationRecord, "result" | "error" | "endedAt">): void {
    const { kind: targetKind, id: targetId, name: targetName } = target;
    const unended = { result: null, error: null, endedAt: null };
    this.#insert({ ...rest, targetKind, targetId, targetName, ...unended });
  }

  byId(id: string): OperationRecord | undefined {
    const row = this.#byId.get(id);
    return row ? recordOf(row) : undefined;
  }

  /** Newest first; the operator's for null. */
  ofUser(userId: string | null): OperationRecord[] {
    return this.#ofUser.all(userId).map(recordOf);
  }

  /** Of all users, oldest first. */
  unfinished(): OperationRecord[] {
    return this.#unfinished.all().map(recordOf);
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

  /** Deletes ended operations but for the newest `retained` of each user. */
  deleteOldest(retained: number): void {
    this.#deleteOldest.run(retained);
  }
}
