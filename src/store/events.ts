/** The events table: what happened, for people and later for subscribers. */
import type { Database } from "bun:sqlite";
import { explainingFullDisk } from "./database.ts";

export interface EventRecord {
  ts: string;
  type: string;
  userId: string | null;
  sandboxId: string | null;
  meta: Record<string, unknown>;
}

export class EventTable {
  readonly #insertAll;

  constructor(database: Database) {
    const insert = database.prepare(
      `INSERT INTO events (ts, type, user_id, sandbox_id, meta)
       VALUES ($ts, $type, $userId, $sandboxId, $meta)`,
    );
    this.#insertAll = database.transaction((events: readonly EventRecord[]) => {
      for (const event of events) insert.run({ ...event, meta: JSON.stringify(event.meta) });
    });
  }

  insertAll(events: readonly EventRecord[]): void {
    explainingFullDisk(() => this.#insertAll.immediate(events));
  }
}
