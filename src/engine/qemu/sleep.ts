/** How one machine with a process falls asleep and wakes, and what is undone when that fails. */
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { deadlineMs } from "./deadlines.ts";
import { asEngineError } from "./engine-error.ts";
import { answered, requireAnswer } from "./guest-answer.ts";
import { dropSavedState } from "./saved-state.ts";
import type { Stall } from "./stall.ts";
import { type PausedMachine, saveInPlace } from "./suspend.ts";
import { wakeGuest } from "./wake-guest.ts";

/**
 * How deep it sleeps: from each depth it gets only to those next to it. `frozen`: its processors run, its user
 * processes do not, or may not; `paused`: its processors stand still too; `saved`: and its own files hold the very
 * state that it is in.
 */
const depths = ["awake", "frozen", "paused", "saved"] as const;
export type Depth = (typeof depths)[number];

export interface SleepingMachine extends PausedMachine {
  guest(signal: AbortSignal): Promise<Guest>;
  /** Throws disk_full when the guard of the disk space would pause it again. */
  requireSpace(): Promise<void>;
}

export class Sleep {
  readonly #machine: SleepingMachine;
  readonly #stall: Stall;
  #depth: Depth;
  /** Its saved state may be there although it is not told as saved: an attempt to write it, or to drop it, failed. */
  #mayBeSaved: boolean;

  constructor(machine: SleepingMachine, stall: Stall, depth: Depth) {
    this.#machine = machine;
    this.#stall = stall;
    this.#depth = depth;
    this.#mayBeSaved = depth === "saved";
  }

  get isAwake(): boolean {
    return this.#depth === "awake";
  }

  get isPaused(): boolean {
    return this.#depth === "paused" || this.isSaved;
  }

  get isSaved(): boolean {
    return this.#depth === "saved";
  }

  #turn(to: Depth): void {
    if (Math.abs(depths.indexOf(to) - depths.indexOf(this.#depth)) > 1) {
      throw new Error(`Cannot change a VM from ${this.#depth} to ${to}`);
    }
    this.#depth = to;
  }

  /** Lets the guest's processors run. The line is greeted while they still stand: the greeting waits for them. */
  async runProcessors(signal: AbortSignal): Promise<Guest> {
    const guest = this.#machine.guest(signal);
    guest.catch(() => {}); // awaited below, unless running it fails first
    // Its memory and disk change from here on: what was saved of it does not belong to them any more.
    if (this.#mayBeSaved) await this.#dropSaved();
    await this.#machine.qmp.execute("cont", {}, signal);
    faultPoint("run.running");
    this.#turn("frozen");
    return await guest;
  }

  async stopProcessors(signal: AbortSignal): Promise<void> {
    // Before it is sent: QEMU stops them even if the wait for its answer is aborted.
    this.#turn("paused");
    await this.#machine.qmp.execute("stop", {}, signal);
  }

  async pause(signal: AbortSignal): Promise<void> {
    if (this.isPaused) return;
    const guest = await this.#machine.guest(signal);
    await requireAnswer(guest, signal);
    await this.#stall.during(signal, (both) => guest.sync(both));
    this.#turn("frozen");
    try {
      await this.#stall.during(signal, (both) =>
        answered(deadlineMs.freeze, both, (until) => guest.freeze(until)),
      );
      faultPoint("pause.frozen");
      await this.stopProcessors(signal);
      faultPoint("pause.standing");
    } catch (error) {
      if (this.isPaused) await this.#wakeAgain();
      else await this.#thaw(guest);
      throw error;
    }
  }

  /** Undoes a sleep that failed: it must not hide why, and the next `unpause` tries again. */
  async #wakeAgain(): Promise<void> {
    await this.#wake(AbortSignal.timeout(deadlineMs.wakeAgain)).catch(() => {});
  }

  /** Sent also to a guest that does not answer: should it freeze late, it thaws right after. */
  async #thaw(guest: Guest): Promise<void> {
    try {
      await guest.thaw(AbortSignal.timeout(deadlineMs.thaw));
      this.#turn("awake");
    } catch {
      // The next `unpause` tries again.
    }
  }

  async unpause(signal: AbortSignal): Promise<void> {
    // Before the saved state is dropped, which a failure keeps.
    if (this.isPaused) await this.#machine.requireSpace();
    await this.#wake(signal);
  }

  async #wake(signal: AbortSignal): Promise<void> {
    const wake = (guest: Guest) =>
      answered(deadlineMs.configure, signal, (until) => wakeGuest(guest, {}, until));
    const woken = this.#machine.guest(signal).then(wake);
    woken.catch(() => {}); // awaited below, unless running it fails first
    if (this.isPaused) await this.runProcessors(signal);
    await woken;
    this.#turn("awake");
  }

  /** The first time: it gets to know who it is, and its user processes run. */
  async wakeAs(guest: Guest, identity: GuestConfiguration, signal: AbortSignal): Promise<void> {
    await wakeGuest(guest, identity, signal);
    this.#turn("awake");
  }

  /** Afterwards its process may go. */
  async save(signal: AbortSignal): Promise<void> {
    if (this.isSaved) return;
    const wasPaused = this.isPaused;
    await this.pause(signal);
    try {
      if (wasPaused) await this.#pauseAnew(signal);
      this.#mayBeSaved = true;
      await saveInPlace(this.#machine, signal);
      this.#turn("saved");
    } catch (error) {
      await this.#dropSaved().catch(() => {});
      if (!wasPaused) await this.#wakeAgain();
      throw asEngineError(error);
    }
  }

  async #dropSaved(): Promise<void> {
    const { paths } = this.#machine;
    await dropSavedState(paths.suspension, paths);
    this.#mayBeSaved = false;
    if (this.isSaved) this.#turn("paused");
  }

  /** Runs `work` while the machine is paused, and lets it go on if it ran before. */
  async holdStill<T>(
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<{ result: T; pausedMs: number }> {
    if (this.isPaused) {
      // What is saved in its files stays true: nothing in it runs meanwhile.
      if (!this.isSaved) await this.#pauseAnew(signal);
      return { result: await work(), pausedMs: 0 };
    }
    // What there is to write is written before it is paused; what comes meanwhile is little.
    const guest = await this.#machine.guest(signal);
    await requireAnswer(guest, signal);
    await this.#stall.during(signal, (both) => guest.sync(both));
    const started = performance.now();
    await this.pause(signal);
    const [outcome] = await Promise.allSettled([work()]);
    await this.#wakeAgain();
    if (outcome.status === "rejected") throw outcome.reason;
    return { result: outcome.value, pausedMs: performance.now() - started };
  }

  /** QEMU saves a state only once from one pause. Nothing of the user's runs in between. */
  async #pauseAnew(signal: AbortSignal): Promise<void> {
    await this.runProcessors(signal);
    await this.stopProcessors(signal);
  }
}
