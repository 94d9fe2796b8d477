/** One sandbox's owner: its machine, and its queue of lifecycle operations, which run one at a time, in order. */
import { type Clock, systemClock } from "../async/clock.ts";
import { reasonOf } from "../async/deadline.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import { Activity } from "./activity.ts";

export interface Operation<T> {
  /** For messages, such as `Creating sandbox "dev"`. */
  what: string;
  milliseconds: number;
  signal?: AbortSignal;
  work(signal: AbortSignal): Promise<T>;
}

export class SandboxActor {
  readonly id: string;
  /** The machine that runs for it, if one does. Changed by lifecycle operations and by the machine's own end. */
  machine: Machine | undefined;
  activity: Activity;
  /** An operation is changing how its machine is: who wants to use it has to wait for that to end. */
  isExclusive = false;
  /** The attempt to wake it that is under way; everybody who needs it shares its outcome. */
  waking: Promise<Machine> | undefined;
  /** Why it could not be woken the last time, and until when that is the answer. */
  failure: { error: BhattiError; until: number } | undefined;
  /** That it lost its memory, and why, until somebody who uses it has been told. */
  untold: string | undefined;
  #queued = 0;
  #last: Promise<unknown> = Promise.resolve();
  #cancelRunning: ((reason: Error) => void) | undefined;

  constructor(id: string, clock = systemClock) {
    this.id = id;
    this.activity = new Activity(clock);
  }

  /** Runs the operation after those before it. Its deadline counts from when it starts. */
  async perform<T>(operation: Operation<T>): Promise<T> {
    this.#queued += 1;
    const before = this.#last;
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    this.#last = done;
    await before;
    try {
      return await this.#run(operation);
    } finally {
      this.#queued -= 1;
      finish();
    }
  }

  /** As `perform`, while nobody may use the machine. */
  async performExclusively<T>(operation: Operation<T>): Promise<T> {
    const work = (signal: AbortSignal) => this.exclusively(() => operation.work(signal));
    return await this.perform({ ...operation, work });
  }

  /** A part of an operation during which nobody may use the machine. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.isExclusive = true;
    try {
      return await work();
    } finally {
      this.isExclusive = false;
    }
  }

  /** Whether an operation runs or waits. */
  get isBusy(): boolean {
    return this.#queued > 0;
  }

  /** Ends the operation that runs now, if one does, with this reason. Those that wait are not touched. */
  cancel(reason: BhattiError): void {
    this.#cancelRunning?.(reason);
  }

  /** Resolves when all operations that were asked for until now are over. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #run<T>(operation: Operation<T>): Promise<T> {
    const ended = new AbortController();
    const signal = operation.signal
      ? AbortSignal.any([ended.signal, operation.signal])
      : ended.signal;
    if (signal.aborted) throw reasonOf(signal);
    this.#cancelRunning = (reason) => ended.abort(reason);
    const { milliseconds, what } = operation;
    const timer = setTimeout(
      () => ended.abort(new BhattiError("timeout", `${what} took longer than ${milliseconds} ms`)),
      milliseconds,
    );
    try {
      return await settledOrOverdue(operation.work(signal), signal);
    } catch (error) {
      if (signal.aborted && !isBhattiError(error)) throw reasonOf(signal);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#cancelRunning = undefined;
    }
  }
}

/** How long an operation may take to undo its steps before the next one goes ahead without it. */
const undoMs = 15_000;

/** The outcome of `work`, also after the signal, for it undoes its steps then; but not for ever. */
async function settledOrOverdue<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: overdue, reject } = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    timer = setTimeout(() => reject(reasonOf(signal)), undoMs);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** The actors of all sandboxes there are. */
export class SandboxActors {
  readonly clock: Clock;
  readonly #actors = new Map<string, SandboxActor>();

  constructor(clock = systemClock) {
    this.clock = clock;
  }

  of(id: string): SandboxActor {
    const known = this.#actors.get(id);
    if (known) return known;
    const actor = new SandboxActor(id, this.clock);
    this.#actors.set(id, actor);
    return actor;
  }

  peek(id: string): SandboxActor | undefined {
    return this.#actors.get(id);
  }

  /** For a sandbox that is gone. */
  forget(id: string): void {
    this.#actors.delete(id);
  }

  all(): SandboxActor[] {
    return [...this.#actors.values()];
  }
}
