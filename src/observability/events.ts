/** Records what happens, in batches, without ever making a caller wait. */
import type { Logger } from "./log.ts";

const eventTypes = [
  "sandbox.created",
  "sandbox.create_failed",
  "sandbox.booted",
  "sandbox.stopped",
  "sandbox.started",
  "sandbox.updated",
  "sandbox.crashed",
  "sandbox.recovered",
  "sandbox.destroyed",
  "thermal.pause",
  "thermal.snapshot",
  "thermal.snapshot_failed",
  "thermal.disk_full",
  "thermal.disk_free",
  "thermal.wake",
  "thermal.wake_failed",
  "shell.session",
  "exec.piped_session",
  "snapshot.created",
  "snapshot.resumed",
  "snapshot.restored",
  "snapshot.deleted",
  "operation.started",
  "operation.progress",
  "operation.ended",
  "template.created",
  "template.deleted",
  "share.created",
  "share.revoked",
  "shell.web_session",
  "auth.failed",
  "user.created",
  "user.deleted",
  "user.key_rotated",
  "image.registered",
  "daemon.started",
  "daemon.shutdown",
] as const;
export type EventType = (typeof eventTypes)[number];

export interface Event {
  type: EventType;
  userId?: string;
  sandboxId?: string;
  meta?: Record<string, unknown>;
}

export interface StoredEvent {
  ts: string;
  type: string;
  userId: string | null;
  sandboxId: string | null;
  meta: Record<string, unknown>;
}

export interface EventSink {
  record(event: Event): void;
}

export interface RecorderOptions {
  write(events: StoredEvent[]): void;
  log: Logger;
  queueLength?: number;
  flushMilliseconds?: number;
}

export class EventRecorder implements EventSink, Disposable {
  readonly #options: RecorderOptions;
  readonly #limit: number;
  readonly #interval: number;
  #queue: StoredEvent[] = [];
  readonly #listeners: ((event: Event) => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Lost since the last flush because the queue was full. */
  #dropped = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#limit = options.queueLength ?? 1000;
    this.#interval = options.flushMilliseconds ?? 500;
  }

  /** Calls the listener with each event from now on, when it is recorded. */
  listen(listener: (event: Event) => void): void {
    this.#listeners.push(listener);
  }

  record(event: Event): void {
    for (const listener of this.#listeners) listener(event);
    if (this.#queue.length >= this.#limit) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(stamp(event));
    this.#timer ??= setTimeout(() => this.flush(), this.#interval);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#queue;
    if (batch.length === 0) return;
    this.#queue = [];
    if (this.#dropped > 0) {
      this.#options.log.warn("event queue full, events dropped", {
        count: this.#dropped,
      });
      this.#dropped = 0;
    }
    try {
      this.#options.write(batch);
    } catch (error) {
      this.#options.log.error("cannot store events", { count: batch.length, error });
    }
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}

export function stamp(event: Event): StoredEvent {
  return {
    ts: new Date().toISOString(),
    type: event.type,
    userId: event.userId ?? null,
    sandboxId: event.sandboxId ?? null,
    meta: event.meta ?? {},
  };
}
