/** One machine that has a process: its QEMU, its line to the agent, how it sleeps, and how it ends. */
import { rm } from "node:fs/promises";
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import { endProcess, type ProcessIdentity } from "../../host/process.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import type { Hardware } from "../machine-spec.ts";
import { consoleTail } from "./console.ts";
import { crashDetail } from "./crash-detail.ts";
import { asEngineError } from "./engine-error.ts";
import { requireAnswer } from "./guest-answer.ts";
import { GuestLine } from "./guest-line.ts";
import type { EnginePaths, MachinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Qmp, QmpEvent } from "./qmp/qmp.ts";
import { removeMachine } from "./remove.ts";
import { dropSavedState } from "./saved-state.ts";
import { Stall } from "./stall.ts";
import { saveInPlace } from "./suspend.ts";
import { wakeGuest } from "./wake-guest.ts";

/** What failed attempts to put a machine to sleep get for their undoing. */
const undoDeadlineMs = 10_000;
const thawDeadlineMs = 2_000;

export interface QemuMachineParts {
  id: string;
  paths: MachinePaths;
  engine: EnginePaths;
  hardware: Hardware;
  platform: PreparedPlatform;
  process: ProcessIdentity;
  qmp: Qmp;
  origin: MachineOrigin;
  /** Its processors stand still. */
  isStill?: boolean;
  /** Its user processes may be frozen. */
  isAsleep?: boolean;
  /** Its processors stand still because the host's disk was full. */
  isStalled?: boolean;
  /** Its own files hold the very state that it is in. */
  isSaved?: boolean;
  /** The line to its agent, when there is one already. */
  guest?: Guest;
}

export class QemuMachine implements Machine {
  readonly id: string;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly process: ProcessIdentity;
  readonly qmp: Qmp;
  readonly paths: MachinePaths;
  readonly hardware: Hardware;
  readonly platform: PreparedPlatform;
  /** Told each time that somebody wants to talk to the guest. */
  onUse: () => void = () => {};
  readonly #engine: EnginePaths;
  readonly #line: GuestLine;
  readonly #end = Promise.withResolvers<MachineEnd>();
  #over: MachineEnd | undefined;
  #isLetGo = false;
  readonly #stall = new Stall((signal) => this.#goOn(signal));
  #isStill: boolean;
  #isAsleep: boolean;
  #isSaved: boolean;

  constructor(parts: QemuMachineParts) {
    this.id = parts.id;
    this.origin = parts.origin;
    this.qmp = parts.qmp;
    this.paths = parts.paths;
    this.hardware = parts.hardware;
    this.platform = parts.platform;
    this.#isStill = parts.isStill ?? false;
    this.#isAsleep = parts.isAsleep ?? false;
    this.#isSaved = parts.isSaved ?? false;
    this.#engine = parts.engine;
    this.process = parts.process;
    this.ended = this.#end.promise;
    this.#line = new GuestLine({
      socket: parts.paths.agent,
      qmp: parts.qmp,
      ended: this.ended,
      isFresh: parts.origin.kind === "restored" || parts.origin.kind === "pool",
      guest: parts.guest,
    });
    if (parts.isStalled) this.#stall.begin();
    this.qmp.onEvent((event) => this.#onEvent(event));
    void this.qmp.ended.then(() => this.#onProcessGone());
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    this.onUse();
    this.#stall.check();
    return await this.#line.get(signal);
  }

  #onEvent({ event, data }: QmpEvent): void {
    if (event === "SHUTDOWN" && data["guest"] === true) {
      void this.#onGuestShutdown(String(data["reason"]));
    } else if (event === "BLOCK_IO_ERROR" && data["action"] === "stop") {
      this.#stall.begin();
    }
  }

  async #goOn(signal: AbortSignal): Promise<void> {
    // One that was stopped meanwhile goes on when it is woken.
    if (this.#over || this.#isLetGo || this.#isStill) return;
    await this.qmp.execute("cont", {}, signal);
  }

  /** QEMU has paused instead of ending, so that the console can still be read. */
  async #onGuestShutdown(reason: string): Promise<void> {
    const tail = await consoleTail(this.qmp);
    // A guest resets itself only when its kernel panics or somebody in it asked for a reboot.
    const panicked = reason !== "guest-shutdown" && /Kernel panic/.test(tail);
    await this.#finish({
      reason: panicked ? "crashed" : "powered_off",
      detail: panicked ? `its kernel panicked. ${tail}` : `shut down from inside (${reason})`,
    });
  }

  async #onProcessGone(): Promise<void> {
    if (this.#isLetGo) return;
    if (this.#isSaved) {
      await this.#finish({
        reason: "suspended",
        detail: "its process ended, its saved state stays",
      });
      return;
    }
    await this.#finish({ reason: "crashed", detail: await crashDetail(this.paths) });
  }

  /** The first reason counts; whatever comes later is its consequence. */
  async #finish(end: MachineEnd): Promise<void> {
    if (this.#over) return;
    this.#over = end;
    this.#stall.end();
    this.#line.close(end);
    this.qmp.close();
    try {
      await endProcess(this.process);
      faultPoint("end.process-gone");
      await rm(this.paths.sockets, { recursive: true, force: true });
      this.#end.resolve(end);
    } catch (error) {
      // Whoever waits for the end hears of it; whoever destroys the machine tries again and fails for this reason.
      const detail = `${end.detail}. Its process could not be ended: ${messageOf(error)}`;
      this.#end.resolve({ ...end, detail });
    }
  }

  /** Ends the process without asking the guest; the disk stays. */
  async halt(): Promise<void> {
    await this.#finish({ reason: "powered_off", detail: "its process was ended" });
  }

  /** Leaves it to a later daemon: it runs on, and nothing here waits for it. */
  letGo(): void {
    this.#isLetGo = true;
    this.#line.close();
    this.qmp.close();
  }

  get isAwake(): boolean {
    return !this.#isStill && !this.#isAsleep;
  }

  get isPaused(): boolean {
    return this.#isStill;
  }

  /** Lets the guest's processors run. The line is greeted while they still stand: the greeting waits for them. */
  async run(signal: AbortSignal): Promise<Guest> {
    const guest = this.guest(signal);
    guest.catch(() => {}); // awaited below, unless running it fails first
    if (this.#isSaved) {
      // Its memory and disk change from here on: what was saved of it does not belong to them any more.
      await dropSavedState(this.paths.suspension, this.paths);
      this.#isSaved = false;
    }
    await this.qmp.execute("cont", {}, signal);
    faultPoint("run.running");
    this.#isStill = false;
    return await guest;
  }

  /** Stops the guest's processors. */
  async stand(signal: AbortSignal): Promise<void> {
    // Before it is sent: should nobody wait for the answer, it stands still all the same.
    this.#isStill = true;
    await this.qmp.execute("stop", {}, signal);
  }

  async pause(signal: AbortSignal): Promise<void> {
    if (this.#isStill) return;
    const guest = await this.guest(signal);
    await requireAnswer(guest, signal);
    await this.#stall.during(signal, (both) => guest.sync(both));
    this.#isAsleep = true;
    try {
      await this.#stall.during(signal, (both) => guest.freeze(both));
      faultPoint("pause.frozen");
      await this.stand(signal);
      faultPoint("pause.standing");
    } catch (error) {
      if (this.#isStill) await this.#wakeAgain();
      else await this.#thaw(guest);
      throw error;
    }
  }

  /** Undoes a sleep that failed: it must not hide why, and the next `unpause` tries again. */
  async #wakeAgain(): Promise<void> {
    await this.unpause(AbortSignal.timeout(undoDeadlineMs)).catch(() => {});
  }

  /** Sent also to a guest that does not answer: should it freeze late, it thaws right after. */
  async #thaw(guest: Guest): Promise<void> {
    try {
      await guest.thaw(AbortSignal.timeout(thawDeadlineMs));
      this.#isAsleep = false;
    } catch {
      // The next `unpause` tries again.
    }
  }

  async unpause(signal: AbortSignal): Promise<void> {
    const woken = this.guest(signal).then((guest) => wakeGuest(guest, {}, signal));
    woken.catch(() => {}); // awaited below, unless running it fails first
    if (this.#isStill) await this.run(signal);
    await woken;
    this.#isAsleep = false;
  }

  async suspend(signal: AbortSignal): Promise<void> {
    const wasPaused = this.#isStill;
    await this.pause(signal);
    try {
      if (wasPaused) await this.#standAnew(signal);
      await saveInPlace(this, signal);
      this.#isSaved = true;
    } catch (error) {
      await dropSavedState(this.paths.suspension, this.paths).catch(() => {});
      if (!wasPaused) await this.#wakeAgain();
      throw asEngineError(error);
    }
    await this.#finish({ reason: "suspended", detail: "it was suspended" });
  }

  /** Runs `work` while the guest stands still, and lets it go on if it ran before. */
  async holdStill<T>(
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<{ result: T; pausedMs: number }> {
    if (this.#isStill) {
      // What is saved in its files stays true: nothing in it runs meanwhile.
      if (!this.#isSaved) await this.#standAnew(signal);
      return { result: await work(), pausedMs: 0 };
    }
    // What there is to write is written before the guest stands still; what comes meanwhile is little.
    await this.#stall.during(signal, async (both) => (await this.guest(both)).sync(both));
    const started = performance.now();
    await this.pause(signal);
    try {
      const result = await work();
      await this.#wakeAgain();
      return { result, pausedMs: performance.now() - started };
    } catch (error) {
      await this.#wakeAgain();
      throw error;
    }
  }

  /** QEMU saves a state only once from one standstill. Nothing of the user's runs in between. */
  async #standAnew(signal: AbortSignal): Promise<void> {
    await this.run(signal);
    await this.stand(signal);
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    const guest = await this.guest(signal);
    await guest.shutdown(signal);
    await abortable(this.ended, signal);
  }

  async destroy(): Promise<void> {
    await this.#finish({ reason: "destroyed", detail: "it was destroyed" });
    await removeMachine(this.#engine, this.id);
  }
}
