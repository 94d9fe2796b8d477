/** A machine of the fake engine: a guest without a kernel, which ends when told to. */
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { FakeGuest } from "./fake-guest.ts";

export interface FakeMachineParts {
  id: string;
  spec: MachineSpec;
  origin: MachineOrigin;
  destroy(): Promise<void>;
  body: FakeBody;
}

/** What a fake machine keeps while it is suspended: all that it has is in its guest. */
export class FakeBody {
  readonly guest = new FakeGuest((end) => this.end(end));
  /** Ends the machine that it runs in just now. */
  end: (end: MachineEnd) => void = () => {};
}

export class FakeMachine implements Machine {
  readonly id: string;
  readonly spec: MachineSpec;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly #destroy: () => Promise<void>;
  readonly #settle: (end: MachineEnd) => void;
  readonly fakeGuest: FakeGuest;
  /** Its guest does not hear that it is to shut down or to stand still. */
  isDeaf = false;
  isPaused = false;
  #isAsleep = false;
  #end: MachineEnd | undefined;
  readonly body: FakeBody;

  constructor(parts: FakeMachineParts) {
    const { id, spec, destroy } = parts;
    this.id = id;
    this.spec = spec;
    this.origin = parts.origin;
    const { promise, resolve } = Promise.withResolvers<MachineEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.#destroy = destroy;
    this.fakeGuest = parts.body.guest;
    this.body = parts.body;
    parts.body.end = (end) => this.finish(end);
    this.isPaused = parts.origin.kind === "resumed";
  }

  get isAwake(): boolean {
    return !this.isPaused && !this.#isAsleep;
  }

  async pause(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.isDeaf) {
      throw new BhattiError("guest_unresponsive", "The guest does not answer");
    }
    this.isPaused = true;
  }

  async unpause(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#end) throw this.#lost(this.#end);
    this.isPaused = false;
  }

  async suspend(signal: AbortSignal): Promise<void> {
    await this.pause(signal);
    this.finish({ reason: "suspended", detail: "it was suspended" });
  }

  /** How it ended, once it has. */
  get end(): MachineEnd | undefined {
    return this.#end;
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    signal.throwIfAborted();
    if (this.#end) throw this.#lost(this.#end);
    return this.fakeGuest;
  }

  #lost(end: MachineEnd): BhattiError {
    return new BhattiError("machine_lost", `The machine has ended: ${end.detail}`);
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    if (this.isDeaf) await abortable(this.ended, signal);
    this.finish({ reason: "powered_off", detail: "shut down by the host" });
  }

  async halt(): Promise<void> {
    this.finish({ reason: "powered_off", detail: "ended by the host" });
  }

  destroy(): Promise<void> {
    return this.#destroy();
  }

  /** Ends it as if by itself; the first end counts. */
  finish(end: MachineEnd): void {
    if (this.#end) return;
    this.#end = end;
    if (end.reason !== "suspended") this.fakeGuest.lose(this.#lost(end));
    this.#settle(end);
  }
}
