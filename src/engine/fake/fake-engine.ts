/** An engine in memory, with a scripted guest: for tests of everything above the engine, on any operating system. */

import type { GuestConfiguration } from "../../agent/guest.ts";
import { pause } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Engine, EngineFeatures, Machine } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { FakeMachine } from "./fake-machine.ts";

export interface FakeEngineOptions {
  createMilliseconds?: number;
  destroyMilliseconds?: number;
  /** Called before a machine is made; what it throws is the outcome. */
  onCreate?(spec: MachineSpec, signal: AbortSignal): Promise<void> | void;
  onDestroy?(id: string): Promise<void> | void;
  onAdopt?(id: string): Promise<void> | void;
  onStart?(): void;
}

/** Images whose name starts with `broken` fail to boot. */
export class FakeEngine implements Engine {
  readonly features: EngineFeatures = {
    name: "fake",
    accelerator: "none",
    acceleratorReason: "the fake engine runs nothing",
    isolates: false,
  };
  readonly options: FakeEngineOptions;
  /** Outlive `close`, as real machines outlive a daemon. */
  readonly machines = new Map<string, FakeMachine>();
  #made = 0;

  constructor(options: FakeEngineOptions = {}) {
    this.options = options;
  }

  async create(
    spec: MachineSpec,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<Machine> {
    signal.throwIfAborted();
    const started = performance.now();
    if (this.options.createMilliseconds) await pause(this.options.createMilliseconds, signal);
    await this.options.onCreate?.(spec, signal);
    if (spec.image.name.startsWith("broken")) {
      throw new BhattiError("machine_failed", `Image "${spec.image.name}" does not boot`);
    }
    this.#made += 1;
    const id = `fake-${this.#made}-${crypto.randomUUID().slice(0, 8)}`;
    const machine = new FakeMachine(id, spec, performance.now() - started, () => this.destroy(id));
    await (await machine.guest(signal)).configure(identity, signal);
    this.machines.set(id, machine);
    return machine;
  }

  async adopt(id: string): Promise<Machine | undefined> {
    await this.options.onAdopt?.(id);
    const machine = this.machines.get(id);
    return machine?.running ? machine : undefined;
  }

  async list(): Promise<string[]> {
    return [...this.machines.keys()];
  }

  async destroy(id: string): Promise<void> {
    if (this.options.destroyMilliseconds) await Bun.sleep(this.options.destroyMilliseconds);
    await this.options.onDestroy?.(id);
    this.machines.get(id)?.end({ reason: "destroyed", detail: "destroyed" });
    this.machines.delete(id);
  }

  start(): void {
    this.options.onStart?.();
  }

  async close(): Promise<void> {}
}
