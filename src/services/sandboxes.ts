/** Sandboxes as their users know them: made within quotas, found by name or id, destroyed for good. */
import { faultPoint } from "../async/fault-point.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Engine } from "../engine/engine.ts";
import { BhattiError, isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { ListedSandbox, SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import type { Images } from "./images.ts";
import type { LastKnown } from "./last-known.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { ConfigOf } from "./machine-config.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { Accepted } from "./operation.ts";
import type { Operations } from "./operations.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { type Created, SandboxCreates } from "./sandbox-creates.ts";
import { editSandbox, type SandboxChangeRequest } from "./sandbox-edit.ts";
import { presentSandboxOf, requireSandbox, sandboxOf } from "./sandbox-lookup.ts";
import type { SandboxDefaults, SandboxRequest } from "./sandbox-plan.ts";
import { suspendAll } from "./suspend-all.ts";
import { type Condition, Thermal, type ThermalSettings } from "./thermal.ts";
import { type CurrentUsage, currentUsage, type Usage } from "./usage.ts";
import { type MachineUse, Wake } from "./wake.ts";

export type { ListedSandbox, SandboxChangeRequest, SandboxRecord, SandboxRequest, Usage };

export interface SandboxesOptions {
  store: Store;
  engine: Engine;
  configOf: ConfigOf;
  images: Images;
  actors: SandboxActors;
  keeper: MachineKeeper;
  lastKnown: LastKnown;
  operations: Operations;
  events: EventSink;
  log: Logger;
  defaults: SandboxDefaults;
  thermal: ThermalSettings;
  /** For `suspendAll`: how long a guest that cannot be put into files may take to shut down. */
  powerOffMs?: number;
  /** Told of each that is on its way out. */
  onDestroy?(id: string): void;
  /** Its address on its private network, if it has one. */
  addressOf?(id: string): string | undefined;
}

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #creates: SandboxCreates;
  readonly #wake: Wake;
  readonly #lifecycle: Lifecycle;
  readonly #thermal: Thermal;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#creates = new SandboxCreates({ ...options, onMade: (id) => this.watch(id) });
    this.#wake = new Wake({ ...options, onAwake: (id) => this.watch(id) });
    this.#lifecycle = new Lifecycle({ ...options, wake: this.#wake });
    this.#thermal = new Thermal({
      ...options,
      lifecycle: this.#lifecycle,
      settings: options.thermal,
      rouse: (id, actor, signal) => this.#wake.makeHot(id, actor, signal),
      expire: (sandbox) => this.#expire(sandbox),
    });
  }

  /** The user's sandbox of that name if there is one already, also at the limit. */
  create(
    user: User,
    request: SandboxRequest,
    caller: AbortSignal | undefined,
  ): Promise<Accepted<Created>> {
    return this.#creates.create(user, request, caller);
  }

  /** See SandboxCreates. */
  existing(
    user: User,
    name: string,
    caller: AbortSignal | undefined,
    signal: AbortSignal,
  ): Promise<Accepted<Created> | undefined> {
    return this.#creates.existing(user, name, caller, signal);
  }

  list(user: User, labels: ReadonlyMap<string, string> = new Map()): ListedSandbox[] {
    const all = this.#options.store.sandboxes.ofUser(user.id);
    if (labels.size === 0) return all;
    return all.filter((sandbox) =>
      labels.entries().every(([key, value]) => sandbox.labels[key] === value),
    );
  }

  /** By id or name; another user's sandbox is as good as none. */
  get(user: User, ref: string): SandboxRecord {
    return sandboxOf(this.#options.store, user, ref);
  }

  /** Works whatever state it is in. Of two at once both succeed. */
  async destroy(user: User, ref: string): Promise<void> {
    const { id, name, destroyRequestedAt } = this.get(user, ref);
    const { actors, log } = this.#options;
    const actor = actors.of(id);
    if (actor.isBusy) log.debug("destroy waits for a running operation", { sandbox: id });
    this.#intend(id); // jobs that wait for their turn fail at once
    if (destroyRequestedAt === null) {
      // Aborts the running job, whose result is no longer needed.
      actor.cancel(new BhattiError("cancelled", `Sandbox "${name}" was destroyed`));
    }
    await actor.perform({
      what: `Destroying sandbox "${name}"`,
      milliseconds: stepMs.destroy,
      work: () => this.remove(id, actor),
    });
  }

  /** Its machine, awake, and kept so until the use is disposed of. */
  use(sandbox: SandboxRecord, what: string, signal: AbortSignal): Promise<MachineUse> {
    return this.#wake.use(sandbox, what, signal);
  }

  /** Continues without its caller: the guest is paused already. */
  stop(user: User, ref: string): Accepted<SandboxRecord> {
    const { store, operations, actors } = this.#options;
    const { id, name, status, memoryMB } = presentSandboxOf(store, user, ref);
    const operation = operations.accept({
      kind: "sandbox.stop",
      userId: user.id,
      target: { kind: "sandbox", id, name },
      size: { memoryMB },
      isPending: actors.of(id).isBusy,
      before: { status },
    });
    const work = async () => {
      try {
        await this.#lifecycle.stop(requireSandbox(store, id), operation);
        return requireSandbox(store, id);
      } finally {
        this.watch(id);
      }
    };
    return operation.run(undefined, work, () => ({ sandboxes: [{ id, name }] }));
  }

  /** `warning` says that it lost its memory, and why. */
  async start(
    user: User,
    ref: string,
    { force }: { force: boolean },
  ): Promise<{ sandbox: SandboxRecord; warning: string | undefined }> {
    const { store } = this.#options;
    const before = presentSandboxOf(store, user, ref);
    const { id } = before;
    try {
      const warning = await this.#lifecycle.start(before, force);
      return { sandbox: requireSandbox(store, id), warning };
    } finally {
      this.watch(id);
    }
  }

  /** Keeping it hot wakes it. */
  async edit(user: User, ref: string, change: SandboxChangeRequest): Promise<SandboxRecord> {
    const { store, events, actors } = this.#options;
    const { id } = this.get(user, ref);
    const sandbox = editSandbox(store, id, change, actors.clock.now());
    faultPoint("edit.stored");
    events.record({
      type: "sandbox.updated",
      userId: user.id,
      sandboxId: id,
      meta: { name: sandbox.name, changed: Object.keys(change) },
    });
    this.watch(id);
    if (change.keepHot) await this.#wake.wake(sandbox);
    return requireSandbox(store, id);
  }

  addressOf(id: string): string | undefined {
    return this.#options.addressOf?.(id);
  }

  /** Why it is as hot as it is, and what comes next. `commands`: see `usage`. */
  condition(sandbox: ListedSandbox, commands?: number): Condition {
    return this.#thermal.condition(sandbox, commands);
  }

  /** Its disk and memory use: current when it is hot, last known otherwise. Never wakes it. */
  usage({ id }: SandboxRecord): Promise<CurrentUsage | undefined> {
    return currentUsage(this.#options, id);
  }

  /** Removes machine and row. Only within the actor's queue. */
  async remove(id: string, actor: SandboxActor): Promise<void> {
    const { store, engine, events, log, actors } = this.#options;
    const sandbox = store.sandboxes.byId(id);
    if (!sandbox) return; // removed by an earlier job
    this.#intend(id);
    this.#options.onDestroy?.(id);
    faultPoint("destroy.stored");
    actor.machine = undefined;
    if (sandbox.engineId !== null) await this.#destroyMachine(actor, engine, sandbox.engineId);
    faultPoint("destroy.machine-gone");
    store.sandboxes.delete(id);
    faultPoint("destroy.row-gone");
    actors.forget(id);
    this.#thermal.forget(id);
    const lifetime = Math.round((Date.now() - Date.parse(sandbox.createdAt)) / 1000);
    log.debug("sandbox destroyed", { sandbox: id, name: sandbox.name, lifetime_s: lifetime });
    events.record({
      type: "sandbox.destroyed",
      userId: sandbox.userId,
      sandboxId: id,
      meta: { name: sandbox.name, lifetime_s: lifetime },
    });
  }

  /** Looks after it from now on, or anew: after anything that changes how hot it is or may be. */
  watch(id: string): void {
    this.#thermal.watch(id);
  }

  /** Begins to look after them, and wakes those that are to be hot. Called once, after recovery. */
  watchAll(): void {
    for (const { id, keepHot } of this.#options.store.sandboxes.all()) {
      this.watch(id);
      if (keepHot) void this.#keepHot(id);
    }
  }

  /** Suspends every machine; those that cannot be are shut down. */
  async suspendAll(): Promise<void> {
    const actors = this.#options.actors.all();
    await suspendAll({ ...this.#options, actors, lifecycle: this.#lifecycle });
  }

  /** Nothing happens to them any more by itself. */
  close(): void {
    this.#thermal.close();
  }

  /** Resolves when nothing is being done to any of them. */
  async settled(): Promise<void> {
    await Promise.all(this.#options.actors.all().map((actor) => actor.settled()));
  }

  /** On a disk that is full it is for its machine's files to make the room that the rows need. */
  #intend(id: string): void {
    const { store, log } = this.#options;
    try {
      store.sandboxes.requestDestroy(id, new Date().toISOString());
    } catch (error) {
      if (!isBhattiError(error, "disk_full")) throw error;
      log.warn("cannot store the intent to destroy a sandbox; destroying it anyway", {
        sandbox: id,
      });
    }
  }

  async #destroyMachine(actor: SandboxActor, engine: Engine, machine: string): Promise<void> {
    try {
      await engine.destroy(machine);
    } catch (error) {
      this.#options.keeper.detach(actor, "unknown", `destroy failed: ${messageOf(error)}`);
      throw error;
    }
  }

  async #keepHot(id: string): Promise<void> {
    const sandbox = this.#options.store.sandboxes.byId(id);
    if (sandbox?.status !== "running") return;
    try {
      await this.#wake.wake(sandbox);
    } catch (error) {
      this.#options.log.error("cannot wake a keep_hot sandbox", { sandbox: id, error });
    }
  }

  async #expire({ id, name }: SandboxRecord): Promise<void> {
    const actor = this.#options.actors.of(id);
    await actor.perform({
      what: `Destroying expired sandbox "${name}"`,
      milliseconds: stepMs.destroy,
      work: () => this.remove(id, actor),
    });
  }
}
