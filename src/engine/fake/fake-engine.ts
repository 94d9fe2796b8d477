/**
 * An engine without a hypervisor, for tests of everything above the engine: machines, their time and their faults are in
 * memory, their guests are the real agent in a container.
 */
import { pause } from "../../async/deadline.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type {
  Engine,
  EngineFeatures,
  Listed,
  Machine,
  MachineOrigin,
  MachineState,
  SnapshotFacts,
  SnapshotKind,
} from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { Hardware, MachineSpec, RootImage } from "../machine-spec.ts";
import { FakeBody } from "./fake-body.ts";
import { FakeHost } from "./fake-host.ts";
import { FakeMachine } from "./fake-machine.ts";

export interface FakeEngineOptions {
  createMilliseconds?: number;
  /** Called before a machine is made; what it throws is the outcome. */
  onCreate?(spec: MachineSpec, signal: AbortSignal): Promise<void> | void;
  onDestroy?(id: string): Promise<void> | void;
  /** As `onCreate`, before a machine that was suspended comes back, or one that is off is started. */
  onResume?(id: string): Promise<void> | void;
  onBoot?(id: string): Promise<void> | void;
  onCapture?(id: string): Promise<void> | void;
  onAdopt?(id: string): Promise<void> | void;
  onStart?(): void;
  /** Each step of an operation takes as long as this. */
  onStep?(): Promise<void> | void;
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
  readonly host: FakeHost;
  #isDead = false;

  constructor(options: FakeEngineOptions = {}, host = new FakeHost()) {
    this.options = options;
    this.host = host;
  }

  /** They outlive `close`, as real machines outlive a daemon. */
  get machines(): Map<string, FakeMachine> {
    return this.host.machines;
  }

  /** As if its process had been killed: it reaches nothing any more. Another one on the same host may take over. */
  die(): void {
    this.#isDead = true;
    this.#letGo();
  }

  async create(root: RootImage, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const spec = { ...config.hardware, ...root };
    signal.throwIfAborted();
    const started = performance.now();
    if (this.options.createMilliseconds) await pause(this.options.createMilliseconds, signal);
    await this.options.onCreate?.(spec, signal);
    if (spec.image.name.startsWith("broken")) {
      throw new BhattiError("machine_failed", `Image "${spec.image.name}" does not boot`);
    }
    await this.#step(signal);
    const steps = [{ name: "make", milliseconds: performance.now() - started }];
    return await this.#handOut(this.#newBody(spec), { kind: "booted", steps }, config);
  }

  async stateOf(id: string): Promise<MachineState> {
    await this.#step();
    const machine = this.machines.get(id);
    if (!machine) return "gone";
    return machine.end?.reason === "suspended" ? "suspended" : "off";
  }

  async resume(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    await this.options.onResume?.(id);
    await this.#step(signal);
    const body = this.machines.get(id)?.body;
    if (body?.over?.reason !== "suspended") {
      throw new BhattiError("no_saved_state", `VM ${id} has no saved state`);
    }
    if (body.saved === "damaged") throw new BhattiError("snapshot_damaged", "It is damaged");
    if (body.saved === "incompatible") {
      throw new BhattiError("snapshot_incompatible", "It was made by another QEMU");
    }
    if (body.config.epoch < config.epoch - 1) {
      throw new BhattiError("snapshot_incompatible", "The saved state is of an earlier start");
    }
    body.resume();
    return await this.#handOut(body, { kind: "resumed", steps: [] }, config);
  }

  async boot(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    await this.options.onBoot?.(id);
    await this.#step(signal);
    const body = this.machines.get(id)?.body;
    if (!body) throw new BhattiError("machine_failed", `Machine ${id} has no disk`);
    body.boot();
    return await this.#handOut(body, { kind: "booted", steps: [] }, config);
  }

  async capture(
    id: string,
    _hardware: Hardware,
    snapshot: string,
    kind: SnapshotKind,
    signal: AbortSignal,
  ): Promise<SnapshotFacts> {
    await this.options.onCapture?.(id);
    await this.#step(signal);
    const machine = this.machines.get(id);
    if (!machine) throw new BhattiError("machine_failed", `Machine ${id} has no disk`);
    const { body, isPaused } = machine;
    const keep = () => this.host.keep(snapshot, kind, body);
    if (machine.running) await machine.holdStill(signal, keep);
    else if (kind === "filesystem" || body.over?.reason === "suspended") await keep();
    else throw new BhattiError("no_saved_state", "Only the disk is left");
    return { kind, bytes: 1_048_576, pausedMs: isPaused || !machine.running ? 0 : 1 };
  }

  async clone(snapshot: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const asked = this.host.kept.get(snapshot);
    if (asked) await this.options.onCreate?.(asked.spec, signal);
    await this.#step(signal);
    const kept = this.host.kept.get(snapshot);
    if (!kept) throw new BhattiError("snapshot_damaged", "The snapshot is damaged: it is gone");
    const body = this.#newBody(kept.spec);
    await kept.guest.copyTo(body.guest, kept.hasMemory);
    const isWhole = kept.kind === "filesystem" || kept.hasMemory;
    const note = isWhole ? {} : { note: "its memory could not be used: it is damaged" };
    return await this.#handOut(body, { kind: "restored", steps: [], ...note }, config);
  }

  async snapshots(): Promise<Listed[]> {
    await this.#step();
    return [...this.host.kept.keys()].map((id) => this.host.listed(id));
  }

  async removeSnapshot(snapshot: string): Promise<void> {
    await this.#step();
    const kept = this.host.kept.get(snapshot);
    this.host.kept.delete(snapshot);
    await kept?.guest.remove();
  }

  async adopt(id: string, config: MachineConfig): Promise<Machine | undefined> {
    await this.options.onAdopt?.(id);
    await this.#step();
    const machine = this.machines.get(id);
    if (!machine?.running) return undefined;
    if (machine.epoch < config.epoch - 1) {
      machine.finish({ reason: "powered_off", detail: "it is of an earlier start" });
      return undefined;
    }
    // The daemon before us may have died between freezing and thawing.
    machine.body.isFrozen = true;
    return await this.#handOut(machine.body, { kind: "adopted", steps: [] }, config);
  }

  async list(): Promise<Listed[]> {
    await this.#step();
    return [...this.machines.keys()].map((id) => this.host.listed(id));
  }

  async destroy(id: string): Promise<void> {
    await this.options.onDestroy?.(id);
    await this.#step();
    const machine = this.machines.get(id);
    machine?.finish({ reason: "destroyed", detail: "destroyed" });
    this.machines.delete(id);
    await machine?.body.guest.remove();
  }

  start(): void {
    this.options.onStart?.();
  }

  async close(): Promise<void> {
    if (!this.#isDead) this.#letGo();
  }

  async #handOut(
    body: FakeBody,
    origin: MachineOrigin,
    config: MachineConfig,
  ): Promise<FakeMachine> {
    // A machine that is taken over is still in the start that it was in.
    body.config = origin.kind === "adopted" ? { ...config, epoch: body.config.epoch } : config;
    const machine = new FakeMachine({
      ...{ body, origin },
      step: () => this.#step(),
      during: (work) => this.host.during(work),
      destroy: () => this.destroy(body.id),
    });
    const knowsItself = origin.kind === "adopted" || origin.kind === "resumed";
    try {
      if (!knowsItself) await body.guest.configure(config.identity, new AbortController().signal);
    } catch (error) {
      if (!this.machines.has(body.id)) await body.guest.remove();
      throw error;
    }
    this.machines.set(body.id, machine);
    this.host.started += 1;
    return machine;
  }

  #newBody(spec: MachineSpec): FakeBody {
    const id = this.host.newId();
    return new FakeBody(id, spec, this.host.newGuest(id));
  }

  /** They run on: nothing here hears of their end, and what the guests say goes nowhere. */
  #letGo(): void {
    for (const { body } of this.machines.values()) {
      body.onEnd = () => {};
      if (!body.over) body.guest.disconnect();
    }
  }

  async #step(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.host.during(async () => this.options.onStep?.());
    signal?.throwIfAborted();
    if (this.#isDead) throw new BhattiError("internal", "This engine's process was killed");
  }
}
