/** One operation of this process: its signal, progress and final state. */
import { reasonOf } from "../async/deadline.ts";
import type { OperationKind } from "../contract/operation-kinds.ts";
import type { OperationError, OperationResult } from "../contract/operation-outcome.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { OperationEnd, OperationRecord } from "../store/operations.ts";

/** Work that was accepted. */
export interface Accepted<T> {
  /** The id of the operation that does it; none when there is nothing left to do. */
  operation?: string;
  outcome: Promise<T>;
}

/** The same work with its outcome in another form. */
export function mapOutcome<T, U>(
  { outcome, ...rest }: Accepted<T>,
  change: (value: T) => U,
): Accepted<U> {
  const changed = outcome.then(change);
  changed.catch(() => {}); // like the outcome itself
  return { ...rest, outcome: changed };
}

/** Stores each change of an operation. None of these throw. */
export interface OperationJournal {
  begun(operation: Operation): void;
  started(record: OperationRecord): void;
  progressed(record: OperationRecord): void;
  ended(record: OperationRecord): void;
}

/** For messages, such as `Creating sandbox "dev"`. */
const gerunds: Record<OperationKind, string> = {
  "sandbox.create": "Creating",
  "sandbox.fork": "Forking",
  "sandbox.stop": "Stopping",
  "snapshot.create": "Creating",
  "snapshot.resume": "Creating",
  "snapshot.restore": "Restoring",
  "image.build": "Building",
};

/** Progress between two writes is in memory only. */
const progressEveryMs = 1000;

export class Operation {
  record: OperationRecord;
  readonly #journal: OperationJournal;
  readonly #log: Logger;
  readonly #aborted = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #signal = this.#aborted.signal;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(record: OperationRecord, journal: OperationJournal, log: Logger) {
    this.record = record;
    this.#journal = journal;
    this.#log = log;
  }

  get #what(): string {
    const { kind, target } = this.record;
    return `${gerunds[kind]} ${target.kind} "${target.name}"`;
  }

  /** Aborted by a cancel, by the deadline, or by the caller. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Resolves when it has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  abort(reason: BhattiError): void {
    this.#aborted.abort(reason);
  }

  /** Its turn in its target's queue has come; `before` is the target's state now. */
  start(before: OperationRecord["before"] = {}): void {
    if (this.record.state !== "pending") return;
    const startedAt = new Date().toISOString();
    const known = { ...this.record.before, ...before };
    this.record = { ...this.record, state: "running", progress: "", startedAt, before: known };
    this.#journal.started(this.record);
  }

  report(progress: string): void {
    if (this.record.endedAt !== null) return;
    this.record = { ...this.record, progress };
    const now = performance.now();
    if (now - this.#reportedAt < progressEveryMs) return;
    this.#reportedAt = now;
    this.#journal.progressed(this.record);
  }

  /** The caller's signal aborts it too. It has ended before the outcome settles. */
  run<T>(
    caller: AbortSignal | undefined,
    work: (operation: Operation) => Promise<T>,
    resultOf: (value: T) => OperationResult,
  ): Required<Accepted<T>> {
    this.#journal.begun(this);
    const outcome = this.#run(caller, work, resultOf);
    outcome.catch(() => {}); // the record has the error for callers that do not wait
    return { operation: this.record.id, outcome };
  }

  async #run<T>(
    caller: AbortSignal | undefined,
    work: (operation: Operation) => Promise<T>,
    resultOf: (value: T) => OperationResult,
  ): Promise<T> {
    if (caller) this.#signal = AbortSignal.any([this.#signal, caller]);
    using _ = this.#deadline();
    try {
      const value = await work(this);
      this.#end({ state: "succeeded", result: resultOf(value), error: null });
      return value;
    } catch (error) {
      const reason = this.#explained(error);
      if (!isBhattiError(reason)) {
        this.#log.error("operation failed", { operation: this.record.id, error });
      }
      const state = isBhattiError(reason, "cancelled") ? "cancelled" : "failed";
      this.#end({ state, result: null, error: errorOf(reason) });
      throw reason;
    }
  }

  #deadline(): Disposable {
    const { deadline, createdAt } = this.record;
    const ms = Date.parse(deadline) - Date.parse(createdAt);
    const timer = setTimeout(
      () => this.abort(new BhattiError("timeout", `${this.#what} took longer than ${ms} ms`)),
      ms,
    );
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** The reason of an abort replaces the error that it caused. */
  #explained(error: unknown): unknown {
    if (!this.#signal.aborted || (isBhattiError(error) && error.code !== "cancelled")) return error;
    if (isBhattiError(this.#signal.reason)) return reasonOf(this.#signal);
    const gone = `${this.#what} was cancelled: the client disconnected`;
    return new BhattiError("cancelled", gone, { cause: error });
  }

  #end(end: Omit<OperationEnd, "progress" | "endedAt">): void {
    this.record = { ...this.record, ...end, progress: "", endedAt: new Date().toISOString() };
    this.#journal.ended(this.record);
    this.#ended.resolve();
  }
}

/** Unexpected errors reveal no internals, as in responses; the log has them. */
export function errorOf(error: unknown): OperationError {
  if (!isBhattiError(error)) return { code: "internal", message: "internal error" };
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}

/** The end of an interrupted operation; `left` describes the remaining state. */
export function interrupted({ kind, state }: OperationRecord, left?: string) {
  const when = state === "pending" ? "before the operation began" : "during the operation";
  const nothing = kind === "image.build" ? "no image was registered" : "nothing was left behind";
  const reason = `The process exited ${when}: ${left ?? nothing}`;
  const error = errorOf(new BhattiError("interrupted", reason));
  return { state: "failed", result: null, error } as const;
}
