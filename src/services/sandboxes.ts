/** Sandboxes as their users know them: made within quotas, found by name or id, destroyed for good. */
import { abortable } from "../async/deadline.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import type { FoundImage, Images } from "./images.ts";
import { inParallel } from "./in-parallel.ts";
import { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { claimSandbox } from "./sandbox-claim.ts";
import { type CreationOrder, makeMachine } from "./sandbox-creation.ts";
import {
  fillDefaults,
  type SandboxDefaults,
  type SandboxPlan,
  type SandboxRequest,
} from "./sandbox-plan.ts";

export type { SandboxRecord, SandboxRequest };

export interface SandboxesOptions {
  store: Store;
  engine: Engine;
  images: Images;
  actors: SandboxActors;
  events: EventSink;
  log: Logger;
  defaults: SandboxDefaults;
  deadlines?: { createMs: number; destroyMs: number; powerOffMs: number };
}

const usualDeadlines = { createMs: 120_000, destroyMs: 60_000, powerOffMs: 30_000 };

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #deadlines;
  readonly #keeper: MachineKeeper;
  /** Creates that are under way, by sandbox id; a second create of the name waits for the first. */
  readonly #pending = new Map<string, Promise<SandboxRecord>>();

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#deadlines = options.deadlines ?? usualDeadlines;
    this.#keeper = new MachineKeeper(options.store, options.events, options.log);
  }

  get keeper(): MachineKeeper {
    return this.#keeper;
  }

  /** The user's sandbox of that name if there is one already, also at the limit. */
  async create(
    user: User,
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<{ sandbox: SandboxRecord; existing: boolean }> {
    const plan = fillDefaults(request, this.#options.defaults);
    for (;;) {
      const claim = claimSandbox(this.#options.store, this.#options.images, user, plan);
      if (claim.kind === "new") {
        const making = this.#make(claim.sandbox, plan, claim.image, signal);
        this.#pending.set(claim.sandbox.id, making);
        return { sandbox: await making, existing: false };
      }
      const sandbox = await this.#existing(claim.sandbox, signal);
      if (sandbox) return { sandbox, existing: true };
    }
  }

  list(user: User, labels: ReadonlyMap<string, string> = new Map()): SandboxRecord[] {
    const all = this.#options.store.sandboxes.ofUser(user.id);
    if (labels.size === 0) return all;
    return all.filter((sandbox) =>
      labels.entries().every(([key, value]) => sandbox.labels[key] === value),
    );
  }

  /** By id or name; another user's sandbox is as good as none. */
  get(user: User, ref: string): SandboxRecord {
    const { sandboxes } = this.#options.store;
    const byId = sandboxes.byId(ref);
    const found = byId?.userId === user.id ? byId : sandboxes.byName(user.id, ref);
    if (!found) throw new BhattiError("sandbox_not_found", "sandbox not found");
    return found;
  }

  /** Works whatever state it is in. Of two at once both succeed. */
  async destroy(user: User, ref: string): Promise<void> {
    const { id, name, status } = this.get(user, ref);
    const actor = this.#options.actors.of(id);
    if (status === "creating") {
      actor.cancel(
        new BhattiError("cancelled", `Sandbox "${name}" was destroyed while it was being created`),
      );
    }
    await actor.perform({
      what: `Destroying sandbox "${name}"`,
      milliseconds: this.#deadlines.destroyMs,
      work: () => this.remove(id, actor),
    });
  }

  /** The machine that runs for the sandbox, or why there is none. */
  machineOf(sandbox: SandboxRecord): Machine {
    const machine = this.#options.actors.peek(sandbox.id)?.machine;
    if (machine && sandbox.status === "running") return machine;
    const state = stateOf(sandbox);
    const reason = sandbox.statusReason ? `: ${sandbox.statusReason}` : "";
    throw new BhattiError(
      "sandbox_not_running",
      `Sandbox "${sandbox.name}" is not running, it is ${state}${reason}`,
    );
  }

  /** Removes machine and row. Only within the actor's queue. */
  async remove(id: string, actor: SandboxActor): Promise<void> {
    const { store, engine, events, log, actors } = this.#options;
    const sandbox = store.sandboxes.byId(id);
    if (!sandbox) return; // whoever came first did it
    store.sandboxes.requestDestroy(id, new Date().toISOString());
    actor.machine = undefined;
    if (sandbox.engineId !== null) await this.#destroyMachine(actor, engine, sandbox.engineId);
    store.sandboxes.delete(id);
    actors.forget(id);
    const lifetime = Math.round((Date.now() - Date.parse(sandbox.createdAt)) / 1000);
    log.debug("sandbox destroyed", { sandbox: id, name: sandbox.name, lifetime_s: lifetime });
    events.record({
      type: "sandbox.destroyed",
      userId: sandbox.userId,
      sandboxId: id,
      meta: { name: sandbox.name, lifetime_s: lifetime },
    });
  }

  /** Ends every machine cleanly; their disks stay. */
  async powerOffAll(): Promise<void> {
    const running = this.#options.actors.all().filter((actor) => actor.machine);
    await inParallel(running, 8, (actor) => this.#powerOff(actor));
  }

  /** Resolves when no create or destroy is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#options.actors.all().map((actor) => actor.settled()));
  }

  async #destroyMachine(actor: SandboxActor, engine: Engine, machine: string): Promise<void> {
    try {
      await engine.destroy(machine);
    } catch (error) {
      this.#keeper.detach(actor, "unknown", `it could not be destroyed: ${messageOf(error)}`);
      throw error;
    }
  }

  async #powerOff(actor: SandboxActor): Promise<void> {
    try {
      await actor.perform({
        what: `Powering off sandbox ${actor.id}`,
        milliseconds: this.#deadlines.powerOffMs,
        work: async (signal) => {
          const { machine } = actor;
          if (!machine) return;
          await machine.powerOff(signal);
          this.#keeper.detach(actor, "stopped", "the daemon was stopped");
        },
      });
    } catch (error) {
      this.#options.log.error("a machine was not powered off", { sandbox: actor.id, error });
    }
  }

  /** Undefined when it is gone by the time that its name is free to take. */
  async #existing(sandbox: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord | undefined> {
    const { store, actors } = this.#options;
    if (sandbox.destroyRequestedAt !== null) {
      await abortable(actors.of(sandbox.id).settled(), signal);
      return store.sandboxes.byId(sandbox.id);
    }
    const pending = this.#pending.get(sandbox.id);
    if (!pending) return sandbox;
    try {
      return await abortable(pending, signal);
    } catch (error) {
      // The first one's caller went away: this one's is still there and gets a sandbox of its own.
      if (isBhattiError(error, "cancelled") && !signal.aborted) return undefined;
      throw error;
    }
  }

  async #make(
    sandbox: SandboxRecord,
    plan: SandboxPlan,
    image: FoundImage,
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    const { engine, actors } = this.#options;
    const log = this.#options.log.child({ sandbox: sandbox.id });
    const actor = actors.of(sandbox.id);
    const order: CreationOrder = { sandbox, image, init: plan.init, files: plan.files };
    try {
      return await actor.perform({
        what: `Creating sandbox "${sandbox.name}"`,
        milliseconds: this.#deadlines.createMs,
        signal,
        work: async (workSignal) => {
          try {
            const commit = (machine: Machine) => this.#keeper.attach(actor, machine);
            await makeMachine(engine, order, workSignal, log, commit);
            return this.#created(sandbox);
          } catch (error) {
            this.#failed(sandbox, error);
            throw error;
          }
        },
      });
    } catch (error) {
      this.#failed(sandbox, error); // also when the work never began
      throw error;
    } finally {
      this.#pending.delete(sandbox.id);
    }
  }

  #created(claimed: SandboxRecord): SandboxRecord {
    const { store, events, log } = this.#options;
    const sandbox = store.sandboxes.byId(claimed.id) ?? claimed;
    const { name, cpus, memoryMB, diskSizeMB, image } = sandbox;
    const meta = { name, cpus, memory_mb: memoryMB, disk_size_mb: diskSizeMB, image };
    log.debug("sandbox created", { sandbox: sandbox.id, ...meta });
    events.record({
      type: "sandbox.created",
      userId: sandbox.userId,
      sandboxId: sandbox.id,
      meta,
    });
    return sandbox;
  }

  #failed(sandbox: SandboxRecord, error: unknown): void {
    const { store, events, log, actors } = this.#options;
    if (!store.sandboxes.delete(sandbox.id)) return;
    actors.forget(sandbox.id);
    log.warn("sandbox not created", { sandbox: sandbox.id, name: sandbox.name, error });
    events.record({
      type: "sandbox.create_failed",
      userId: sandbox.userId,
      sandboxId: sandbox.id,
      meta: { name: sandbox.name, image: sandbox.image, error: messageOf(error) },
    });
  }
}

function stateOf({ status, destroyRequestedAt }: SandboxRecord): string {
  if (status === "running" && destroyRequestedAt !== null) return "being destroyed";
  return status === "creating" ? "still being created" : status;
}
