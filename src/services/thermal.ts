/**
 * Pauses idle sandboxes (hot → warm) and suspends them to disk (→ cold). Each has its own timer, so that a slow one
 * delays no other.
 */
import type { Clock } from "../async/clock.ts";
import { within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Machine } from "../engine/engine.ts";
import { messageOf } from "../errors/bhatti-error.ts";
import type { EventSink, EventType } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { ListedSandbox, SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import {
  type Condition,
  type Cooling,
  conditionOf,
  coolingOf,
  iso,
  type ThermalSettings,
} from "./condition.ts";
import { type Look, workSeen } from "./guest-work.ts";
import type { LastKnown } from "./last-known.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";

export type { Condition, ThermalSettings };

export interface ThermalOptions {
  store: Store;
  actors: SandboxActors;
  keeper: MachineKeeper;
  lifecycle: Lifecycle;
  lastKnown: LastKnown;
  events: EventSink;
  log: Logger;
  settings: ThermalSettings;
  /** Makes it hot. Only within the actor's queue. */
  rouse(id: string, actor: SandboxActor, signal: AbortSignal): Promise<unknown>;
  /** Its time is over. */
  expire(sandbox: SandboxRecord): Promise<void>;
}

const askMs = 5_000;
const busyAgainMs = 1_000;
const failedAgainMs = 30_000;
const rouseAgainMs = 5_000;

interface Watch {
  timer?: Disposable;
  expiry?: Disposable;
  /** What the guest had used up when it was asked first. */
  base?: Look & { seenAt: number };
  /** Why it is hotter than its idleness would have it. */
  trouble?: string;
  failures: number;
}

export class Thermal {
  readonly #options: ThermalOptions;
  readonly #clock: Clock;
  readonly #watches = new Map<string, Watch>();
  #isOver = false;

  constructor(options: ThermalOptions) {
    this.#options = options;
    this.#clock = options.actors.clock;
  }

  /** Looks after it from now on, or anew: after anything that changes how hot it is or may be. */
  watch(id: string): void {
    if (this.#isOver) return;
    const sandbox = this.#options.store.sandboxes.byId(id);
    if (!sandbox || sandbox.destroyRequestedAt !== null) {
      this.forget(id);
      return;
    }
    const watch = this.#watches.get(id) ?? { failures: 0 };
    this.#watches.set(id, watch);
    const actor = this.#options.actors.of(id);
    // The guest's work since then belongs to a known use.
    if (watch.base && actor.activity.lastAt > watch.base.seenAt) delete watch.base;
    actor.activity.onIdle = () => this.watch(id);
    this.#setTimer(watch, "expiry", this.#untilExpiry(sandbox), () => this.#expire(id));
    this.#setTimer(watch, "timer", this.#untilCheck(sandbox, actor, watch), () => this.#check(id));
  }

  forget(id: string): void {
    const watch = this.#watches.get(id);
    watch?.timer?.[Symbol.dispose]();
    watch?.expiry?.[Symbol.dispose]();
    this.#watches.delete(id);
  }

  close(): void {
    this.#isOver = true;
    for (const id of this.#watches.keys()) {
      this.#remember(id);
      this.forget(id);
    }
  }

  condition(sandbox: ListedSandbox, commands = 0): Condition {
    const actor = this.#options.actors.peek(sandbox.id);
    const trouble = this.#watches.get(sandbox.id)?.trouble;
    return conditionOf(sandbox, actor, this.#options.settings, { trouble, commands });
  }

  #cooling(sandbox: SandboxRecord, machine: Machine): Cooling | undefined {
    return coolingOf(sandbox, machine, this.#options.settings);
  }

  #untilExpiry({ expiresAt }: SandboxRecord): number | undefined {
    return expiresAt === null ? undefined : Date.parse(expiresAt) - this.#clock.now();
  }

  /** A hot guest is asked twice, as what it has used up tells something only by comparison. */
  #untilCheck(sandbox: SandboxRecord, actor: SandboxActor, watch: Watch): number | undefined {
    const { machine, activity } = actor;
    if (isStuck(sandbox, machine))
      return Math.min(rouseAgainMs * 2 ** watch.failures, failedAgainMs);
    const cooling = machine && this.#cooling(sandbox, machine);
    if (!cooling || activity.isInUse) return undefined;
    const limit = cooling.afterMs;
    const isFirst = !machine.isPaused && !watch.base;
    const left = activity.lastAt + (isFirst ? limit / 2 : limit) - this.#clock.now();
    if (watch.failures > 0) return Math.max(left, Math.min(failedAgainMs, limit));
    if (!watch.base) return left;
    // After a restart of the daemon it may have been idle for long already, but two looks need time between them.
    return Math.max(left, watch.base.at + limit / 2 - this.#clock.steady());
  }

  #setTimer(watch: Watch, which: "timer" | "expiry", ms: number | undefined, work: () => void) {
    watch[which]?.[Symbol.dispose]();
    if (ms !== undefined) watch[which] = this.#clock.timer(ms, work);
  }

  #expire(id: string): void {
    const sandbox = this.#options.store.sandboxes.byId(id);
    if (!sandbox || (this.#untilExpiry(sandbox) ?? 1) > 0) {
      this.watch(id);
      return;
    }
    const { log } = this.#options;
    log.info("sandbox expired", { sandbox: id, expires_at: sandbox.expiresAt });
    this.#options.expire(sandbox).catch((error: unknown) => {
      log.error("cannot destroy an expired sandbox", { sandbox: id, error });
      const watch = this.#watches.get(id);
      if (watch) this.#setTimer(watch, "expiry", failedAgainMs, () => this.#expire(id));
    });
  }

  #check(id: string): void {
    const actor = this.#options.actors.peek(id);
    const watch = this.#watches.get(id);
    if (!actor || !watch) return;
    if (actor.isBusy) {
      this.#setTimer(watch, "timer", busyAgainMs, () => this.#check(id));
      return;
    }
    const memoryMB = this.#options.store.sandboxes.byId(id)?.memoryMB ?? 0;
    void actor
      .perform({
        what: `Checking the idle time of sandbox ${id}`,
        milliseconds: stepMs.suspend(memoryMB),
        work: (signal) => this.#cool(id, actor, watch, signal),
      })
      .then(
        () => {
          watch.failures = 0;
        },
        (error: unknown) => this.#failed(id, actor, watch, error),
      )
      .finally(() => this.watch(id));
  }

  async #cool(id: string, actor: SandboxActor, watch: Watch, signal: AbortSignal): Promise<void> {
    const sandbox = this.#options.store.sandboxes.byId(id);
    const { machine, activity } = actor;
    if (sandbox && isStuck(sandbox, machine)) await this.#options.rouse(id, actor, signal);
    if (!sandbox || !machine || activity.isInUse) return;
    const cooling = this.#cooling(sandbox, machine);
    if (!cooling) return;
    if (!machine.isPaused && (await this.#isAtWork(actor, machine, watch, signal))) return;
    if (this.#clock.now() - activity.lastAt < cooling.afterMs || activity.isInUse) return;
    // From here on a new use waits for the end of this, and then wakes it again.
    await actor.exclusively(async () => {
      if (cooling.to === "cold") {
        await this.#options.lifecycle.suspend(id, actor, "running", signal);
      } else {
        await this.#options.lastKnown.ask(actor, machine, signal);
        await machine.pause(signal);
        this.#options.keeper.turn(actor, "warm");
        faultPoint("cool.stored");
      }
    });
    delete watch.base;
    delete watch.trouble;
    this.#tell(sandbox, cooling.to === "warm" ? "thermal.pause" : "thermal.snapshot", {
      idle_s: Math.round((this.#clock.now() - activity.lastAt) / 1000),
    });
    this.#remember(id);
  }

  async #isAtWork(
    actor: SandboxActor,
    machine: Machine,
    watch: Watch,
    signal: AbortSignal,
  ): Promise<boolean> {
    const activity = await within(askMs, "The guest's reply", signal, async (until) =>
      (await machine.guest(until)).activity(until),
    );
    const now = { at: this.#clock.steady(), seenAt: this.#clock.now(), activity };
    const work = workSeen(watch.base, now);
    delete watch.trouble;
    if (work === undefined && watch.base) return false;
    watch.base = now;
    if (work !== undefined) actor.activity.saw(work);
    return true;
  }

  /** It stays as it is, and says why. */
  #failed(id: string, actor: SandboxActor, watch: Watch, error: unknown): void {
    watch.failures += 1;
    delete watch.base;
    const { machine } = actor;
    const sandbox = this.#options.store.sandboxes.byId(id);
    if (!sandbox || !machine) return;
    if (isStuck(sandbox, machine)) {
      watch.trouble = `wake failed: ${messageOf(error)}`;
      return; // the wake has logged it
    }
    const to = this.#cooling(sandbox, machine)?.to ?? "cooler"; // edited meanwhile
    watch.trouble = `cannot become ${to}: ${messageOf(error)}`;
    this.#options.log.warn("cannot cool a sandbox", { sandbox: id, to, error });
    const meta = { to, error: messageOf(error), attempt: watch.failures };
    this.#tell(sandbox, "thermal.snapshot_failed", meta);
  }

  #tell(sandbox: SandboxRecord, type: EventType, meta: Record<string, unknown>): void {
    this.#options.log.debug(type, { sandbox: sandbox.id, ...meta });
    this.#options.events.record({ type, userId: sandbox.userId, sandboxId: sandbox.id, meta });
  }

  /** A restart of the daemon must not make an idle sandbox look fresh, nor a fresh one idle. */
  #remember(id: string): void {
    const actor = this.#options.actors.peek(id);
    if (!actor) return;
    try {
      this.#options.store.sandboxes.active(id, iso(actor.activity.lastAt));
    } catch (error) {
      this.#options.log.warn("cannot store the last activity of a sandbox", { sandbox: id, error });
    }
  }
}

/** An attempt to wake it, to put it to sleep or to hold it still failed half way: it is to be awake, and is not. */
function isStuck({ keepHot, thermal }: SandboxRecord, machine: Machine | undefined): boolean {
  if (machine === undefined || machine.isAwake) return false;
  return !machine.isPaused || keepHot || thermal === "hot";
}
