/** Keeps rows true to their machines: what a row says when a machine starts to run for it, and when it ends. */
import type { Machine, MachineEnd } from "../engine/engine.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxStatus, Thermal } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { SandboxActor } from "./sandbox-actor.ts";
import { mayBecome } from "./sandbox-states.ts";

const storeAgainMs = 2_000;

export class MachineKeeper {
  readonly #store: Store;
  readonly #events: EventSink;
  readonly #log: Logger;
  /** Changes of rows that could not be stored yet. */
  readonly #unstored = new Map<string, Change>();
  #retry: NodeJS.Timeout | undefined;

  constructor(store: Store, events: EventSink, log: Logger) {
    this.#store = store;
    this.#events = events;
    this.#log = log;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
  }

  /**
   * Stores the row of a new machine before anything can use it. The row of a machine that is adopted or resumed refers
   * to it already: without a machine here, no later attempt could reach it. `reason` is shown to the user.
   */
  attach(actor: SandboxActor, machine: Machine, reason?: string): void {
    const { id: engineId, isAwake, origin } = machine;
    const state = isAwake ? awake(machine) : ({ thermal: "warm" } as const);
    const change = { status: "running", ...state, engineId, reason } as const;
    if (origin.kind === "adopted" || origin.kind === "resumed")
      this.#changeOrRetry(actor.id, change);
    else this.#change(actor.id, change);
    actor.machine = machine;
    if (machine.origin.kind === "booted") this.#forgetSessions(actor.id);
    machine.onStall = (isStalled) => this.#stalled(actor.id, isStalled);
    if (machine.isStalled) this.#stalled(actor.id, true);
    void machine.ended.then((end) => this.#ended(actor, machine, end));
  }

  /** As `attach`, but ends the machine if its row cannot be written. */
  async attachOrHalt(actor: SandboxActor, machine: Machine, reason?: string): Promise<void> {
    try {
      this.attach(actor, machine, reason);
    } catch (error) {
      await machine.halt();
      throw error;
    }
  }

  /** Its machine has been paused, or runs again. */
  turn(actor: SandboxActor, thermal: "hot" | "warm"): void {
    const { machine } = actor;
    if (machine && thermal === "hot") this.#changeOrRetry(actor.id, awake(machine));
    else this.#change(actor.id, { thermal });
  }

  /** All of it is in files now. */
  suspended(actor: SandboxActor, status: "running" | "stopped"): void {
    actor.machine = undefined;
    this.#settle(actor.id, { status, thermal: "cold", reason: undefined });
  }

  /** The sandbox has no machine that runs, and this is why. */
  detach(actor: SandboxActor, status: "running" | "stopped" | "unknown", reason: string): void {
    actor.machine = undefined;
    this.#settle(actor.id, { status, thermal: "cold", reason });
    this.#forgetSessions(actor.id);
  }

  /** As `detach`, which its user did not ask for: one that is kept hot is to run again with the next daemon. */
  endedWithDaemon(actor: SandboxActor, reason: string): void {
    actor.machine = undefined;
    const keepHot = this.#store.sandboxes.byId(actor.id)?.keepHot;
    const status = keepHot ? "running" : "stopped";
    this.#changeOrRetry(actor.id, { status, thermal: "cold", reason });
    this.#forgetSessions(actor.id);
  }

  #stalled(id: string, isStalled: boolean): void {
    if (isStalled) this.#log.warn("VM paused: the host disk is full", { sandbox: id });
    else this.#log.info("VM resumed: the host disk has free space", { sandbox: id });
    this.#events.record({
      type: isStalled ? "thermal.disk_full" : "thermal.disk_free",
      sandboxId: id,
    });
  }

  #ended(actor: SandboxActor, machine: Machine, end: MachineEnd): void {
    if (actor.machine !== machine) return; // another job has handled its end
    actor.machine = undefined;
    if (end.reason === "destroyed") return;
    if (end.reason === "suspended") {
      // Whoever suspended it says more; when its process was killed afterwards, nothing is lost.
      this.#changeOrRetry(actor.id, { thermal: "cold" });
      return;
    }
    const crashed = end.reason === "crashed";
    const reason = crashed ? `VM crashed: ${end.detail}` : `powered off: ${end.detail}`;
    const status = crashed ? "unknown" : "stopped";
    this.#changeOrRetry(actor.id, { status, thermal: "cold", reason });
    this.#forgetSessions(actor.id);
    const { detail, console } = end;
    const fields = { sandbox: actor.id, machine: machine.id, detail, ...(console && { console }) };
    if (crashed) this.#log.error("machine crashed", fields);
    else this.#log.info("machine powered off", fields);
    this.#events.record({
      type: crashed ? "sandbox.crashed" : "sandbox.stopped",
      sandboxId: actor.id,
      meta: { reason: end.reason, detail },
    });
  }

  /** The sessions ended with its memory. Never throws: the list is informative only. */
  #forgetSessions(id: string): void {
    try {
      this.#store.sandboxes.forgetSessions(id);
    } catch (error) {
      this.#log.warn("cannot delete the stored sessions of a sandbox", { sandbox: id, error });
    }
  }

  /** A stop that the user asked for fails when it cannot be stored; every other change is only reported by the row. */
  #settle(id: string, change: Change): void {
    const isStop = change.status === "stopped";
    if (isStop && this.#store.sandboxes.byId(id)?.status !== "stopped") this.#change(id, change);
    else this.#changeOrRetry(id, change);
  }

  /** Stores a change that has happened already. If the store refuses it, such as with a full disk, retries it later. */
  #changeOrRetry(id: string, change: Change): void {
    try {
      this.#change(id, change);
    } catch (error) {
      this.#log.error("cannot store the state of a sandbox", { sandbox: id, error });
      if (error instanceof InvalidChange) return;
      this.#unstored.set(id, { ...this.#unstored.get(id), ...change });
      this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      for (const [id, change] of this.#unstored) {
        try {
          this.#change(id, change);
        } catch (error) {
          if (error instanceof InvalidChange) this.#unstored.delete(id);
          this.#log.debug("still cannot store the state of a sandbox", { sandbox: id, error });
        }
      }
      if (this.#unstored.size > 0) this.#retryLater();
    }, storeAgainMs).unref();
  }

  /** What is absent stays; a `reason` that is there but undefined goes. */
  #change(id: string, latest: Change): void {
    const change = { ...this.#unstored.get(id), ...latest };
    this.#store.transaction(() => {
      const row = this.#store.sandboxes.byId(id);
      if (!row) throw new InvalidChange(`sandbox ${id} has no row`);
      const status = change.status ?? row.status;
      if (!mayBecome(row.status, status)) {
        throw new InvalidChange(`sandbox ${id} cannot change from ${row.status} to ${status}`);
      }
      this.#store.sandboxes.update(id, {
        status,
        thermal: change.thermal,
        statusReason: "reason" in change ? (change.reason ?? null) : row.statusReason,
        engineId: change.engineId ?? row.engineId,
        epoch: Math.max(row.epoch, change.epoch ?? 0),
        stoppedAt: status === "running" ? null : (row.stoppedAt ?? new Date().toISOString()),
      });
    });
    this.#unstored.delete(id);
  }
}

/**
 * A start counts once its processors run: by then its saved state is gone. Counting it earlier would make a saved state
 * that was not used yet look outdated after a crash.
 */
function awake({ epoch }: Machine): { thermal: "hot"; epoch: number } {
  return { thermal: "hot", epoch };
}

/** A retry would fail as well. */
class InvalidChange extends Error {}

interface Change {
  status?: SandboxStatus;
  thermal: Thermal;
  engineId?: string;
  epoch?: number;
  reason?: string | undefined;
}
