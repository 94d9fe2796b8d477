/** An engine in memory, with a scripted guest: for tests of everything above the engine, on any operating system. */

import type { GuestConfiguration } from "../../agent/guest.ts";
import { pause } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type {
  Engine,
  EngineFeatures,
  Machine,
  MachineOrigin,
  MachineRest,
  SnapshotFacts,
  SnapshotKind,
} from "../engine.ts";
import type { Hardware, MachineSpec } from "../machine-spec.ts";
import type { FakeGuest } from "./fake-guest.ts";
import { FakeBody, FakeMachine } from "./fake-machine.ts";

export interface FakeEngineOptions {
  createMilliseconds?: number;
  destroyMilliseconds?: number;
  /** Called before a machine is made; what it throws is the outcome. */
  onCreate?(spec: MachineSpec, signal: AbortSignal): Promise<void> | void;
  onDestroy?(id: string): Promise<void> | void;
  /** As `onCreate`, before a machine that was suspended comes back, or one that is off is started. */
  onResume?(id: string): Promise<void> | void;
  onBoot?(id: string): Promise<void> | void;
  onCapture?(id: string): Promise<void> | void;
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
  readonly kept = new Map<
    string,
    { kind: SnapshotKind; spec: MachineSpec; files: FakeGuest["files"] }
  >();
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
    const steps = [{ name: "make", milliseconds: performance.now() - started }];
    return await this.#start(id, spec, { kind: "booted", steps }, new FakeBody(), identity);
  }

  async rest(id: string): Promise<MachineRest> {
    const machine = this.machines.get(id);
    if (!machine) return "gone";
    return machine.end?.reason === "suspended" ? "suspended" : "off";
  }

  async resume(id: string, signal: AbortSignal): Promise<Machine> {
    signal.throwIfAborted();
    await this.options.onResume?.(id);
    const before = this.machines.get(id);
    if (before?.end?.reason !== "suspended") {
      throw new BhattiError("no_saved_state", `There is no saved state of machine ${id}`);
    }
    return await this.#start(id, before.spec, { kind: "resumed", steps: [] }, before.body);
  }

  async boot(
    id: string,
    _hardware: Hardware,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<Machine> {
    signal.throwIfAborted();
    await this.options.onBoot?.(id);
    const before = this.machines.get(id);
    if (!before) throw new BhattiError("machine_failed", `Machine ${id} has no disk`);
    const body = new FakeBody();
    for (const [path, file] of before.fakeGuest.files) body.guest.files.set(path, file);
    return await this.#start(id, before.spec, { kind: "booted", steps: [] }, body, identity);
  }

  async capture(
    id: string,
    _hardware: Hardware,
    snapshot: string,
    kind: SnapshotKind,
    signal: AbortSignal,
  ): Promise<SnapshotFacts> {
    signal.throwIfAborted();
    await this.options.onCapture?.(id);
    const machine = this.machines.get(id);
    if (!machine) throw new BhattiError("machine_failed", `Machine ${id} has no disk`);
    const isOff = machine.end !== undefined && machine.end.reason !== "suspended";
    if (isOff && kind === "full") {
      throw new BhattiError("no_saved_state", "Only the disk is left");
    }
    if (machine.isDeaf) throw new BhattiError("guest_unresponsive", "The guest does not answer");
    this.kept.set(snapshot, { kind, spec: machine.spec, files: new Map(machine.fakeGuest.files) });
    return { kind, bytes: 1_048_576, pausedMs: machine.isPaused ? 0 : 1 };
  }

  async clone(
    snapshot: string,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<Machine> {
    const kept = this.kept.get(snapshot);
    if (!kept) throw new BhattiError("snapshot_damaged", "The snapshot is damaged: it is gone");
    await this.options.onCreate?.(kept.spec, signal);
    this.#made += 1;
    const id = `fake-${this.#made}-${crypto.randomUUID().slice(0, 8)}`;
    const body = new FakeBody();
    for (const [path, file] of kept.files) body.guest.files.set(path, file);
    return await this.#start(id, kept.spec, { kind: "restored", steps: [] }, body, identity);
  }

  async snapshots(): Promise<string[]> {
    return [...this.kept.keys()];
  }

  async removeSnapshot(snapshot: string): Promise<void> {
    this.kept.delete(snapshot);
  }

  async #start(
    id: string,
    spec: MachineSpec,
    origin: MachineOrigin,
    body: FakeBody,
    identity?: GuestConfiguration,
  ): Promise<FakeMachine> {
    const destroy = () => this.destroy(id);
    const machine = new FakeMachine({ id, spec, origin, body, destroy });
    if (identity) await body.guest.configure(identity, new AbortController().signal);
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
    this.machines.get(id)?.finish({ reason: "destroyed", detail: "destroyed" });
    this.machines.delete(id);
  }

  start(): void {
    this.options.onStart?.();
  }

  async close(): Promise<void> {}
}
