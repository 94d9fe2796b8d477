/** The events table: what happened, for people and later for subscribers. */
import type { Database } from "bun:sqlite";
import { z } from "zod";

const EventRow = z
  .object({
    id: z.int(),
    ts: z.string(),
    type: z.string(),
    user_id: z.string().nullable(),
    sandbox_id: z.string().nullable(),
    meta: z.string(),
  })
  .transform((row) => ({
    id: row.id,
    ts: row.ts,
    type: row.type,
    userId: row.user_id,
    sandboxId: row.sandbox_id,
    meta: z.record(z.string(), z.unknown()).parse(JSON.parse(row.meta)),
  }));
export type EventRecord = z.infer<typeof EventRow>;

export class EventTable {
  readonly #insertAll;
  readonly #recent;

  constructor(database: Database) {
    const insert = database.prepare(
      `INSERT INTO events (ts, type, user_id, sandbox_id, meta)
       VALUES ($ts, $type, $userId, $sandboxId, $meta)`,
    );
    this.#insertAll = database.transaction((events: readonly Omit<EventRecord, "id">[]) => {
      for (const event of events) insert.run({ ...event, meta: JSON.stringify(event.meta) });
    });
    this.#recent = database.prepare("SELECT * FROM events ORDER BY id DESC LIMIT ?");
  }

  insertAll(events: readonly Omit<EventRecord, "id">[]): void {
    this.#insertAll.immediate(events);
  }

  /** The newest first. */
  recent(limit: number): EventRecord[] {
    return this.#recent.all(limit).map((row) => EventRow.parse(row));
  }
}
