/** A machine of the fake engine, as the daemon that made it or took it over holds it. */
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { FakeBody } from "./fake-body.ts";

export interface FakeMachineParts {
  body: FakeBody;
  origin: MachineOrigin;
  /** Waits for the duration of a step; throws if its daemon has been killed. */
  step(): Promise<void>;
  /** Counts the work as under way. */
  during<T>(work: () => Promise<T>): Promise<T>;
  destroy(): Promise<void>;
}

export class FakeMachine implements Machine {
  readonly body: FakeBody;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly #parts: FakeMachineParts;

  constructor(parts: FakeMachineParts) {
    const { promise, resolve } = Promise.withResolvers<MachineEnd>();
    this.#parts = parts;
    this.body = parts.body;
    this.origin = parts.origin;
    this.ended = promise;
    this.body.onEnd = resolve;
  }

  get id(): string {
    return this.body.id;
  }

  get epoch(): number {
    return this.body.config.epoch;
  }

  /** Configuration of its last start. */
  get config(): MachineConfig {
    return this.body.config;
  }

  get spec(): MachineSpec {
    return this.body.spec;
  }

  /** Its agent answers nothing. */
  get isDeaf(): boolean {
    return this.body.isDeaf;
  }

  set isDeaf(value: boolean) {
    this.body.isDeaf = value;
  }

  onStall: (isStalled: boolean) => void = () => {};
  #isStalled = false;

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Stalls it as for a full host disk, or ends the stall. Its processes keep running. */
  set isStalled(value: boolean) {
    this.#isStalled = value;
    this.onStall(value);
  }

  get isPaused(): boolean {
    return this.body.isPaused;
  }

  get isAwake(): boolean {
    return !this.body.isPaused && !this.body.isFrozen;
  }

  /** How it ended, once it has. */
  get end(): MachineEnd | undefined {
    return this.body.over;
  }

  get running(): boolean {
    return this.body.over === undefined;
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    signal.throwIfAborted();
    this.body.checkRunning();
    if (this.#isStalled)
      throw new BhattiError("disk_full", "The VM is paused because the host disk is full");
    return await this.body.connect(signal, this.#parts.during);
  }

  async pause(signal: AbortSignal): Promise<void> {
    await this.#step(signal);
    if (this.body.isPaused) return;
    await this.body.answer(signal);
    this.body.pause();
  }

  async unpause(signal: AbortSignal): Promise<void> {
    await this.#step(signal);
    if (this.body.isPaused) this.body.run();
    await this.body.answer(signal);
    this.body.isFrozen = false;
  }

  async suspend(signal: AbortSignal): Promise<void> {
    const wasPaused = this.body.isPaused;
    await this.pause(signal);
    try {
      await this.#step(signal);
    } catch (error) {
      if (!wasPaused && this.running) this.#goOn();
      throw error;
    }
    this.body.saved = "whole";
    this.finish({ reason: "suspended", detail: "the VM was suspended" });
  }

  /** Is paused for `work`, and goes on if it ran before. */
  async holdStill<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const wasPaused = this.body.isPaused;
    await this.pause(signal);
    try {
      await this.#step(signal);
      return await work();
    } finally {
      if (!wasPaused && this.running) this.#goOn();
    }
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    if (this.isDeaf) await abortable(this.ended, signal);
    await this.#step(signal);
    await this.body.guest.shutdown(signal);
    this.finish({ reason: "powered_off", detail: "shut down by the host" });
  }

  async halt(): Promise<void> {
    await this.#parts.step();
    this.finish({ reason: "powered_off", detail: "ended by the host" });
  }

  destroy(): Promise<void> {
    return this.#parts.destroy();
  }

  /** Ends it as if by itself; the first end counts. */
  finish(end: MachineEnd): void {
    this.body.finish(end);
  }

  #goOn(): void {
    this.body.run();
    this.body.isFrozen = this.isDeaf;
  }

  async #step(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#parts.step();
    signal.throwIfAborted();
    this.body.checkRunning();
  }
}
