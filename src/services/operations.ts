/** Operations: accepted, run by this process or another one, and retained for a day after their end. */
import type { Clock } from "../async/clock.ts";
import { pause, settledOr } from "../async/deadline.ts";
import { type OperationSize, operationMs, stepMs } from "../contract/deadlines.ts";
import type { OperationKind } from "../contract/operation-kinds.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { OperationEnd, OperationRecord } from "../store/operations.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { newOperationId } from "./identifiers.ts";
import { interrupted, Operation, type OperationJournal } from "./operation.ts";

export type { OperationRecord };

export interface OperationsOptions {
  store: Store;
  events: EventSink;
  log: Logger;
  clock: Clock;
  /** Which process this is, and whether another one still runs. */
  runner: string;
  isRunning(runner: string): boolean;
}

interface OperationRequest extends Pick<OperationRecord, "kind" | "userId" | "target"> {
  /** Its deadline depends on it. */
  size: OperationSize;
  /** It waits for other work on its target; `Operation.start` ends the wait. */
  isPending?: boolean;
  before?: OperationRecord["before"];
}

interface OperationFilter {
  states?: readonly OperationRecord["state"][] | undefined;
  kinds?: readonly OperationKind[] | undefined;
  /** Name or id, such as `dev` or `sandbox/dev`. */
  target?: string | undefined;
}

const retainedMs = 86_400_000;
/** Of one user: those that have not ended, and all. */
const maximumUnfinished = 100;
const maximumRetained = 500;
const sweepMs = 60_000;
const lookAgainMs = 500;

export class Operations {
  readonly #options: OperationsOptions;
  /** Operations of this process, until they end. */
  readonly #live = new Map<string, Operation>();
  /** Ended operations whose end could not be stored yet. */
  readonly #unstored = new Map<string, OperationRecord>();
  readonly #journal: OperationJournal;
  #sweeping: Disposable | undefined;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#journal = {
      begun: (operation) => this.#begun(operation),
      started: (record) => this.#started(record),
      progressed: (record) => this.#progressed(record),
      ended: (record) => this.#ended(record),
    };
  }

  /**
   * Inserts its row; its work starts with `run`. May be part of a transaction, with the rows of what it makes. Errors:
   * operation_limit.
   */
  accept(request: OperationRequest): Operation {
    const { store, log, runner } = this.#options;
    const { kind, userId, target, size, isPending = false, before = {} } = request;
    const now = Date.now();
    const createdAt = new Date(now).toISOString();
    const record: OperationRecord = {
      ...{ id: newOperationId(), kind, userId, target, before, runner, createdAt },
      state: isPending ? "pending" : "running",
      progress: isPending ? "waiting for another operation on the target" : "",
      startedAt: isPending ? null : createdAt,
      deadline: new Date(now + operationMs[kind](size)).toISOString(),
      ...{ result: null, error: null, endedAt: null },
    };
    store.transaction(() => {
      const count = store.operations.countUnfinished(userId);
      if (count >= maximumUnfinished) {
        throw new BhattiError(
          "operation_limit",
          `operation limit reached (${count}/${maximumUnfinished} unfinished)`,
        );
      }
      store.operations.insert(record);
    });
    return new Operation(record, this.#journal, log);
  }

  /** Returns the operation of this process that creates the sandbox. */
  creating(sandboxId: string): Operation | undefined {
    return this.#live.values().find(({ record: { kind, target, before } }) => {
      const isTarget = kind === "sandbox.create" || kind === "snapshot.resume";
      return (isTarget && target.id === sandboxId) || before.sandboxes?.includes(sandboxId);
    });
  }

  /** Newest first. */
  list(user: User, { states, kinds, target }: OperationFilter = {}): OperationRecord[] {
    return this.#visibleTo(user).filter(
      (record) =>
        (!states || states.includes(record.state)) &&
        (!kinds || kinds.includes(record.kind)) &&
        (target === undefined || isAbout(record, target)),
    );
  }

  /** Errors: operation_not_found, also for those of other users. */
  get(user: User, id: string): OperationRecord {
    const record = this.#inMemory(id) ?? this.#options.store.operations.byId(id);
    if (record && mayShow(user, record) && !this.#isOld(record)) return record;
    throw new BhattiError("operation_not_found", `Operation "${id}" not found`);
  }

  /** As `get`, after its end or the timeout. */
  async wait(
    user: User,
    id: string,
    milliseconds: number,
    signal: AbortSignal,
  ): Promise<OperationRecord> {
    const deadline = performance.now() + milliseconds;
    for (;;) {
      const record = this.get(user, id);
      const left = deadline - performance.now();
      if (record.endedAt !== null || left <= 0) return record;
      const live = this.#live.get(id);
      if (live) await settledOr(live.ended, left, signal);
      else await pause(Math.min(left, lookAgainMs), signal);
    }
  }

  /**
   * Resolves when it has ended, or after a while with one that still undoes its steps. Errors: operation_not_found,
   * operation_ended, operation_elsewhere.
   */
  async cancel(user: User, id: string, signal: AbortSignal): Promise<OperationRecord> {
    const record = this.get(user, id);
    if (record.state === "cancelled") return record;
    if (record.endedAt !== null) {
      throw new BhattiError("operation_ended", `Operation ${id} has already ${record.state}`);
    }
    const live = this.#live.get(id);
    if (!live) {
      throw new BhattiError(
        "operation_elsewhere",
        `Operation ${id} is run by another process on the daemon's host (pid ${pidOf(record)})`,
      );
    }
    live.abort(new BhattiError("cancelled", `Operation ${id} was cancelled`));
    live.report("cancelling");
    return await this.wait(user, id, stepMs.cancel, signal);
  }

  /** Those of processes that do not run any more: they end when recovery knows how. */
  abandoned(): OperationRecord[] {
    const { store, isRunning } = this.#options;
    return store.operations
      .unfinished()
      .filter(({ id, runner }) => !this.#inMemory(id) && !isRunning(runner));
  }

  #inMemory(id: string): OperationRecord | undefined {
    return this.#live.get(id)?.record ?? this.#unstored.get(id);
  }

  /** Stores the end of an abandoned operation. */
  conclude(record: OperationRecord, end: Omit<OperationEnd, "endedAt" | "progress">): void {
    const endedAt = new Date().toISOString();
    const { id, kind, target } = record;
    this.#options.log.warn("ended an interrupted operation", {
      ...{ operation: id, kind, target: target.name, state: end.state },
      ...(end.error && { reason: end.error.message }),
    });
    this.#ended({ ...record, ...end, progress: "", endedAt });
  }

  /** Starts the sweep: removes old rows, retries ends that could not be stored, and ends operations of dead processes. */
  start(): void {
    this.#sweep();
    this.#sweeping = this.#options.clock.timer(sweepMs, () => this.start());
  }

  #sweep(): void {
    const { store, log, clock, runner } = this.#options;
    for (const record of this.#unstored.values()) this.#store(record);
    // Recovery alone knows the ends of an earlier daemon's operations.
    for (const record of this.abandoned()) {
      if (record.runner !== runner) this.conclude(record, interrupted(record));
    }
    try {
      store.operations.deleteEndedBefore(new Date(clock.now() - retainedMs).toISOString());
      store.operations.deleteOldest(maximumRetained);
    } catch (error) {
      log.warn("cannot remove old operations", { error });
    }
  }

  /** Aborts all operations except stops. */
  close(reason: BhattiError): void {
    this.#sweeping?.[Symbol.dispose]();
    for (const operation of this.#live.values()) {
      if (operation.record.kind !== "sandbox.stop") operation.abort(reason);
    }
  }

  /** Resolves when all of this process have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#live.values().map(({ ended }) => ended));
  }

  #visibleTo(user: User): OperationRecord[] {
    const { operations } = this.#options.store;
    const own = operations.ofUser(user.id);
    const all = user.role === "admin" ? [...own, ...operations.ofUser(null)] : own;
    return all
      .map((record) => this.#inMemory(record.id) ?? record)
      .filter((record) => !this.#isOld(record))
      .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
  }

  #isOld({ endedAt }: OperationRecord): boolean {
    return endedAt !== null && Date.parse(endedAt) < this.#options.clock.now() - retainedMs;
  }

  #begun(operation: Operation): void {
    const { record } = operation;
    this.#live.set(record.id, operation);
    const meta = metaOf(record);
    this.#options.events.record({ type: "operation.started", ...aboutOf(record), meta });
  }

  #started(record: OperationRecord): void {
    this.#attempt(record.id, () => this.#options.store.operations.start(record));
  }

  #progressed(record: OperationRecord): void {
    const { id, progress } = record;
    this.#attempt(id, () => this.#options.store.operations.progress(id, progress));
    const meta = { ...metaOf(record), progress };
    this.#options.events.record({ type: "operation.progress", ...aboutOf(record), meta });
  }

  #ended(record: OperationRecord): void {
    this.#live.delete(record.id);
    this.#store(record);
    const { state, error, createdAt, endedAt } = record;
    const ms = Date.parse(endedAt ?? createdAt) - Date.parse(createdAt);
    const meta = { ...metaOf(record), state, ms, ...(error && { error: error.message }) };
    this.#options.events.record({ type: "operation.ended", ...aboutOf(record), meta });
  }

  /** Retains it in memory for the next sweep until that succeeds. */
  #store(record: OperationRecord): void {
    const { id, state, progress, result, error, endedAt } = record;
    if (endedAt === null || state === "pending" || state === "running") return;
    this.#unstored.set(id, record);
    this.#attempt(id, () => {
      this.#options.store.operations.end(id, { state, progress, result, error, endedAt });
      this.#unstored.delete(id);
    });
  }

  #attempt(id: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#options.log.warn("cannot store the state of an operation", { operation: id, error });
    }
  }
}

function mayShow(user: User, { userId }: OperationRecord): boolean {
  return userId === user.id || (userId === null && user.role === "admin");
}

function isAbout({ target }: OperationRecord, wanted: string): boolean {
  const names = [target.name, ...(target.id === null ? [] : [target.id])];
  return names.some((name) => name === wanted || `${target.kind}/${name}` === wanted);
}

function aboutOf({ userId, target }: OperationRecord) {
  return {
    ...(userId !== null && { userId }),
    ...(target.kind === "sandbox" && target.id !== null && { sandboxId: target.id }),
  };
}

function metaOf({ id, kind, target }: OperationRecord) {
  return { operation: id, kind, target: `${target.kind}/${target.name}` };
}

function pidOf({ runner }: OperationRecord): string {
  return runner.match(/\d+/)?.[0] ?? "";
}
