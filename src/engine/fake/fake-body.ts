/** State of a fake machine that outlives its daemon: a guest that runs or is paused, and its saved state. */
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineEnd } from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { FakeGuest } from "./fake-guest.ts";
import { gated } from "./gated-guest.ts";

export class FakeBody {
  readonly id: string;
  readonly spec: MachineSpec;
  /** Of its last start. */
  config: MachineConfig;
  readonly guest: FakeGuest;
  /** Its agent answers nothing. */
  isDeaf = false;
  /** Its processors are stopped. */
  isPaused = false;
  /** Its user processes are frozen, or may be. */
  isFrozen = false;
  /** Its own files hold the very state that it is in, and how good they are. */
  saved: "whole" | "damaged" | "incompatible" | undefined;
  over: MachineEnd | undefined;
  /** Called once, when it ends. */
  onEnd: (end: MachineEnd) => void = () => {};
  /** Resolves when its processors run, or never will again. */
  #runs = Promise.withResolvers<void>();

  constructor(id: string, spec: MachineSpec, guest: FakeGuest) {
    this.id = id;
    this.spec = spec;
    this.config = { epoch: 0, hardware: spec, identity: {}, nics: [], volumes: [] };
    this.guest = guest;
    guest.onEnd = (end) => this.finish(end);
    this.#runs.resolve();
  }

  get hasMemory(): boolean {
    return !this.over || (this.over.reason === "suspended" && this.saved === "whole");
  }

  /** Waits while its processors are stopped. Throws if its agent does not answer. */
  async answer(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await abortable(this.#runs.promise, signal);
    this.checkRunning();
    if (this.isDeaf) throw new BhattiError("guest_unresponsive", "The guest does not answer");
  }

  /** Each call of it counts as one that is under way. */
  async connect(
    signal: AbortSignal,
    during: <T>(work: () => Promise<T>) => Promise<T>,
  ): Promise<Guest> {
    const guest = await during(() => this.guest.connect(signal));
    return gated(guest, async (until, call) => {
      await this.answer(until);
      return await during(async () => call());
    });
  }

  checkRunning(): void {
    const { over } = this;
    if (!over) return;
    throw new BhattiError("machine_lost", `The VM exited: ${over.detail}`);
  }

  /** From its disk alone. */
  boot(): void {
    this.guest.kill();
    this.over = undefined;
    this.saved = undefined;
    this.isDeaf = false;
    this.isFrozen = false;
    this.isPaused = false;
    this.#runs.resolve();
  }

  /** As it was saved, and paused. */
  resume(): void {
    this.over = undefined;
    if (this.isPaused) this.#runs = Promise.withResolvers();
  }

  pause(): void {
    this.isFrozen = true;
    this.isPaused = true;
    this.#runs = Promise.withResolvers();
  }

  /** Its state changes from here on: what was saved of it is void. */
  run(): void {
    this.saved = undefined;
    this.isPaused = false;
    this.#runs.resolve();
  }

  /** The first end counts; of one whose saved state is good nothing is lost. */
  finish(end: MachineEnd): void {
    if (this.over) return;
    const isKept = this.saved !== undefined && end.reason === "crashed";
    this.over = isKept ? { ...end, reason: "suspended" } : end;
    if (this.over.reason === "suspended") this.guest.disconnect();
    else this.guest.kill();
    this.#runs.resolve();
    this.onEnd(this.over);
  }
}
