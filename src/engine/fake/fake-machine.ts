/** A machine of the fake engine: a guest without a kernel, which ends when told to. */
import type { Guest } from "../../agent/guest.ts";
import { abortable } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Machine, MachineEnd, MachineOrigin } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { FakeGuest } from "./fake-guest.ts";

export class FakeMachine implements Machine {
  readonly id: string;
  readonly spec: MachineSpec;
  readonly origin: MachineOrigin;
  readonly ended: Promise<MachineEnd>;
  readonly #destroy: () => Promise<void>;
  readonly #settle: (end: MachineEnd) => void;
  readonly fakeGuest: FakeGuest;
  /** Its guest does not hear that it is to shut down. */
  isDeaf = false;
  #end: MachineEnd | undefined;

  constructor(id: string, spec: MachineSpec, milliseconds: number, destroy: () => Promise<void>) {
    this.id = id;
    this.spec = spec;
    this.origin = { kind: "booted", steps: [{ name: "make", milliseconds }] };
    const { promise, resolve } = Promise.withResolvers<MachineEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.#destroy = destroy;
    this.fakeGuest = new FakeGuest((end) => this.end(end));
  }

  get running(): boolean {
    return this.#end === undefined;
  }

  async guest(signal: AbortSignal): Promise<Guest> {
    signal.throwIfAborted();
    if (this.#end)
      throw new BhattiError("machine_lost", `The machine has ended: ${this.#end.detail}`);
    return this.fakeGuest;
  }

  async powerOff(signal: AbortSignal): Promise<void> {
    if (this.isDeaf) await abortable(this.ended, signal);
    this.end({ reason: "powered_off", detail: "shut down by the host" });
  }

  async halt(): Promise<void> {
    this.end({ reason: "powered_off", detail: "ended by the host" });
  }

  destroy(): Promise<void> {
    return this.#destroy();
  }

  /** Ends it as if by itself; the first end counts. */
  end(end: MachineEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.fakeGuest.lose(new BhattiError("machine_lost", `The machine has ended: ${end.detail}`));
    this.#settle(end);
  }
}
