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

/** Per user, so that a busy user does not displace the events of others. */
const retainedEvents = 50_000;
/** Number of events between two deletions, as counting takes a millisecond. */
const trimInterval = 1000;

export class EventTable {
  readonly #insertAll;
  readonly #users = new Set<string | null>();
  #untilTrim = 0;

  constructor(database: Database, retained = retainedEvents) {
    const insert = database.prepare(
      `INSERT INTO events (ts, type, user_id, sandbox_id, meta)
       VALUES ($ts, $type, $userId, $sandboxId, $meta)`,
    );
    const trim = database.prepare(
      `DELETE FROM events WHERE user_id IS $userId AND id <=
         (SELECT id FROM events WHERE user_id IS $userId ORDER BY id DESC LIMIT 1 OFFSET $retained)`,
    );
    this.#insertAll = database.transaction((events: readonly EventRecord[]) => {
      for (const event of events) {
        insert.run({ ...event, meta: JSON.stringify(event.meta) });
        this.#users.add(event.userId);
      }
      this.#untilTrim -= events.length;
      if (this.#untilTrim > 0) return;
      for (const userId of this.#users) trim.run({ userId, retained });
      this.#users.clear();
      this.#untilTrim = trimInterval;
    });
  }

  insertAll(events: readonly EventRecord[]): void {
    explainingFullDisk(() => this.#insertAll.immediate(events));
  }
}
