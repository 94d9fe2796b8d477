/** Sandboxes as their users know them: made within quotas, found by name or id, destroyed for good. */
import { within } from "../async/deadline.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import type { Images } from "./images.ts";
import { inParallel } from "./in-parallel.ts";
import { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { SandboxCreates } from "./sandbox-creates.ts";
import type { SandboxDefaults, SandboxRequest } from "./sandbox-plan.ts";

export type { SandboxRecord, SandboxRequest };

export interface SandboxesOptions {
  store: Store;
  engine: Engine;
  images: Images;
  actors: SandboxActors;
  events: EventSink;
  log: Logger;
  defaults: SandboxDefaults;
  /** How long a guest may take to shut down when the daemon ends it. */
  powerOffMilliseconds?: number;
}

const destroyMilliseconds = 60_000;
const powerOffMilliseconds = 30_000;
const haltMilliseconds = 15_000;

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #keeper: MachineKeeper;
  readonly #creates: SandboxCreates;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#keeper = new MachineKeeper(options.store, options.events, options.log);
    this.#creates = new SandboxCreates(options, this.#keeper);
  }

  get keeper(): MachineKeeper {
    return this.#keeper;
  }

  /** The user's sandbox of that name if there is one already, also at the limit. */
  create(
    user: User,
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<{ sandbox: SandboxRecord; existing: boolean }> {
    return this.#creates.create(user, request, signal);
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
      milliseconds: destroyMilliseconds,
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

  /** Ends every machine, cleanly if its guest lets it; their disks stay. */
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
    const patience = this.#options.powerOffMilliseconds ?? powerOffMilliseconds;
    try {
      await actor.perform({
        what: `Powering off sandbox ${actor.id}`,
        milliseconds: patience + haltMilliseconds,
        work: (signal) => this.#endMachine(actor, patience, signal),
      });
    } catch (error) {
      this.#options.log.error("a machine was not powered off", { sandbox: actor.id, error });
    }
  }

  async #endMachine(actor: SandboxActor, patience: number, signal: AbortSignal): Promise<void> {
    const { machine } = actor;
    if (!machine) return;
    try {
      await within(patience, "The guest's shutdown", signal, (both) => machine.powerOff(both));
      this.#keeper.detach(actor, "stopped", "the daemon was stopped");
    } catch (error) {
      if (actor.machine !== machine) return; // it ended by itself, and its row says so
      const fields = { sandbox: actor.id, machine: machine.id, error };
      this.#options.log.warn("a guest did not shut down; its machine is ended", fields);
      await machine.halt();
      this.#keeper.detach(
        actor,
        "stopped",
        `the daemon was stopped, and the guest did not shut down: ${messageOf(error)}`,
      );
    }
  }
}

function stateOf({ status, destroyRequestedAt }: SandboxRecord): string {
  if (status === "running" && destroyRequestedAt !== null) return "being destroyed";
  return status === "creating" ? "still being created" : status;
}
