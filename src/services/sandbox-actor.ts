/** One sandbox's owner: its machine, and its queue of lifecycle jobs, which run one at a time, in order. */
import { type Clock, systemClock } from "../async/clock.ts";
import { abortable, reasonOf } from "../async/deadline.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import { Activity } from "./activity.ts";

/** An entry of the queue. */
export interface Job<T> {
  /** For messages, such as `Creating sandbox "dev"`. */
  what: string;
  milliseconds: number;
  signal?: AbortSignal;
  work(signal: AbortSignal): Promise<T>;
}

export class SandboxActor {
  readonly id: string;
  /** The machine that runs for it, if one does. Changed by jobs and by the machine's own end. */
  machine: Machine | undefined;
  activity: Activity;
  /** A job is changing the machine's power state: every use waits for its end. */
  isExclusive = false;
  /** The running attempt to wake it; all waiting uses share its outcome. */
  waking: Promise<Machine> | undefined;
  /** The last permanent wake failure, and until when it is cached. */
  failure: { error: BhattiError; until: number } | undefined;
  /** Why it lost its memory, until a client has been warned. */
  untold: string | undefined;
  #queued = 0;
  #last: Promise<unknown> = Promise.resolve();
  #cancelRunning: ((reason: Error) => void) | undefined;

  constructor(id: string, clock = systemClock) {
    this.id = id;
    this.activity = new Activity(clock);
  }

  /** Runs the job after those before it. Its deadline counts from when it starts; its signal also ends the wait for that. */
  async perform<T>(job: Job<T>): Promise<T> {
    this.#queued += 1;
    const before = this.#last;
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    this.#last = done;
    try {
      await (job.signal ? abortable(before, job.signal) : before);
      return await this.#run(job);
    } finally {
      this.#queued -= 1;
      // A job that gave up waiting holds its place: the next one still runs after those before it.
      void before.then(() => finish());
    }
  }

  /** As `perform`, and excludes uses of the machine meanwhile. */
  async performExclusively<T>(job: Job<T>): Promise<T> {
    const work = (signal: AbortSignal) => this.exclusively(() => job.work(signal));
    return await this.perform({ ...job, work });
  }

  /** A part of a job that excludes uses of the machine. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.isExclusive = true;
    try {
      return await work();
    } finally {
      this.isExclusive = false;
    }
  }

  /** Whether a job runs or waits. */
  get isBusy(): boolean {
    return this.#queued > 0;
  }

  /** Ends the running job, if there is one, with this reason. Waiting jobs stay in the queue. */
  cancel(reason: BhattiError): void {
    this.#cancelRunning?.(reason);
  }

  /** Resolves when all jobs that are in the queue now are over. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #run<T>(job: Job<T>): Promise<T> {
    const ended = new AbortController();
    const signal = job.signal ? AbortSignal.any([ended.signal, job.signal]) : ended.signal;
    if (signal.aborted) throw reasonOf(signal);
    this.#cancelRunning = (reason) => ended.abort(reason);
    const { milliseconds, what } = job;
    const timer = setTimeout(
      () => ended.abort(new BhattiError("timeout", `${what} took longer than ${milliseconds} ms`)),
      milliseconds,
    );
    try {
      return await settledOrOverdue(job.work(signal), signal);
    } catch (error) {
      if (signal.aborted && !isBhattiError(error)) throw reasonOf(signal);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#cancelRunning = undefined;
    }
  }
}

/** The outcome of `work`, also after the signal, for it undoes its steps then; but not for ever. */
async function settledOrOverdue<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: overdue, reject } = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    timer = setTimeout(() => reject(reasonOf(signal)), stepMs.undo);
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
