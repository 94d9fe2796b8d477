/** Wakes sandboxes for their uses, and keeps them hot until the last use ends. */
import { abortable, within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { stepMs, useMs } from "../contract/deadlines.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { ConfigOf } from "./machine-config.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { diskGone, requireSandbox } from "./sandbox-lookup.ts";
import { checkUsable } from "./sandbox-states.ts";

export interface MachineUse extends Disposable {
  machine: Machine;
  /** Whether a restore has replaced the machine since. */
  isRestored(): boolean;
  /** That it lost its memory when it was woken for this, and why. */
  warning?: string;
}

export interface WakeOptions {
  store: Store;
  engine: Engine;
  configOf: ConfigOf;
  actors: SandboxActors;
  keeper: MachineKeeper;
  events: EventSink;
  log: Logger;
  /** Called for each machine that has become hot. */
  onAwake(id: string): void;
}

/** For so long the answer to who comes later is the one that the last attempt got. */
const breakerMs = 10_000;
/** What another attempt a moment later would not change. */
const lasting: ErrorCode[] = ["snapshot_damaged", "machine_failed", "host_unfit", "no_saved_state"];

export class Wake {
  readonly #options: WakeOptions;

  constructor(options: WakeOptions) {
    this.#options = options;
  }

  /** The sandbox's machine, awake, and kept so until the use is disposed of. `what` is shown as the reason. */
  async use(sandbox: SandboxRecord, what: string, signal: AbortSignal): Promise<MachineUse> {
    const actor = this.#options.actors.of(sandbox.id);
    const before = actor.machine;
    const use = await this.#begin(sandbox, actor, what, signal);
    // Warns all uses that waited for the boot, or the first one after it.
    const isBooted = use.machine !== before && use.machine.origin.kind === "booted";
    const reason = isBooted && this.#options.store.sandboxes.byId(sandbox.id)?.statusReason;
    const warning = reason || actor.untold;
    actor.untold = undefined;
    return warning ? Object.assign(use, { warning }) : use;
  }

  /** Wakes it without a use. */
  async wake(sandbox: SandboxRecord): Promise<void> {
    const { signal } = new AbortController();
    using _ = await this.#begin(sandbox, this.#options.actors.of(sandbox.id), "wake", signal);
  }

  async #begin(
    sandbox: SandboxRecord,
    actor: SandboxActor,
    what: string,
    signal: AbortSignal,
  ): Promise<MachineUse> {
    const use = actor.activity.begin(what);
    const dispose = () => use[Symbol.dispose]();
    try {
      const machine = readyMachine(actor) ?? (await this.#shared(sandbox, actor, signal));
      const isRestored = () => actor.machine !== undefined && actor.machine !== machine;
      return { machine, isRestored, [Symbol.dispose]: dispose };
    } catch (error) {
      dispose();
      throw error;
    }
  }

  /** Many may ask at once: one attempt is made, which none of them may cancel, and all get its outcome. */
  async #shared(
    sandbox: SandboxRecord,
    actor: SandboxActor,
    signal: AbortSignal,
  ): Promise<Machine> {
    checkUsable(sandbox);
    const now = this.#options.actors.clock.now();
    if (actor.failure && now < actor.failure.until) throw actor.failure.error;
    actor.waking ??= actor
      .perform({
        what: `Waking sandbox "${sandbox.name}"`,
        milliseconds: stepMs.wake,
        work: (workSignal) => this.makeHot(sandbox.id, actor, workSignal),
      })
      .finally(() => {
        actor.waking = undefined;
      });
    const { waking } = actor;
    const what = `Waiting for sandbox "${sandbox.name}"`;
    return await within(useMs(sandbox.memoryMB), what, signal, (both) => abortable(waking, both));
  }

  /** Only within the actor's queue. */
  async makeHot(id: string, actor: SandboxActor, signal: AbortSignal): Promise<Machine> {
    const { store, keeper } = this.#options;
    const sandbox = requireSandbox(store, id);
    checkUsable(sandbox);
    const ready = readyMachine(actor);
    if (ready) return ready;
    const started = performance.now();
    const from = actor.machine ? "warm" : "cold";
    try {
      const machine = actor.machine ?? (await this.#bringBack(sandbox, actor, signal));
      await machine.unpause(signal);
      faultPoint("wake.awake");
      keeper.turn(actor, "hot");
      faultPoint("wake.stored");
      actor.failure = undefined;
      this.#tell(sandbox, machine, from, performance.now() - started);
      return machine;
    } catch (error) {
      this.#remember(actor, sandbox, error);
      throw error;
    } finally {
      this.#options.onAwake(id);
    }
  }

  /** From its disk alone. Only within the actor's queue, when it has no machine. */
  async boot(
    sandbox: SandboxRecord,
    actor: SandboxActor,
    why: string | undefined,
    signal: AbortSignal,
  ): Promise<Machine> {
    const { engine, keeper, events, log, configOf } = this.#options;
    const { id, engineId } = sandbox;
    if (engineId === null) throw diskGone(sandbox);
    const machine = await engine.boot(engineId, configOf(sandbox), signal);
    faultPoint("boot.booted");
    const reason = why && `booted from disk: ${why}`;
    await keeper.attachOrHalt(actor, machine, reason);
    actor.untold = reason;
    faultPoint("boot.stored");
    log.debug("VM booted from disk", { sandbox: id, why, steps: machine.origin.steps });
    events.record({
      type: "sandbox.booted",
      userId: sandbox.userId,
      sandboxId: id,
      meta: { machine: machine.id, origin: machine.origin.kind, reason: why ?? "start" },
    });
    return machine;
  }

  async #bringBack(
    sandbox: SandboxRecord,
    actor: SandboxActor,
    signal: AbortSignal,
  ): Promise<Machine> {
    const { engine, keeper, log, configOf } = this.#options;
    const { engineId } = sandbox;
    const state = engineId === null ? "gone" : await engine.stateOf(engineId);
    if (engineId === null || state === "gone") throw diskGone(sandbox);
    if (state === "running") {
      const machine = await this.#takeOver(actor, engineId, sandbox, signal);
      // Over meanwhile: what is left of it says how it comes back.
      return machine ?? (await this.#bringBack(sandbox, actor, signal));
    }
    if (state === "off") {
      const why = sandbox.statusReason ?? "no saved state";
      return await this.boot(sandbox, actor, why, signal);
    }
    try {
      const machine = await engine.resume(engineId, configOf(sandbox), signal);
      keeper.attach(actor, machine);
      faultPoint("wake.resumed");
      return machine;
    } catch (error) {
      if (!isBhattiError(error, "snapshot_incompatible")) throw error;
      log.warn("saved state is incompatible; booting from disk", { sandbox: sandbox.id, error });
      return await this.boot(sandbox, actor, messageOf(error), signal);
    }
  }

  /** Adopts a machine that could not be adopted before. Its memory is discarded only by `start --force`. */
  async #takeOver(
    actor: SandboxActor,
    engineId: string,
    sandbox: SandboxRecord,
    signal: AbortSignal,
  ): Promise<Machine | undefined> {
    const { engine, configOf, keeper } = this.#options;
    const machine = await engine.adopt(engineId, configOf(sandbox), signal);
    if (machine) keeper.attach(actor, machine);
    return machine;
  }

  #tell(sandbox: SandboxRecord, machine: Machine, from: "warm" | "cold", ms: number): void {
    const { events, log } = this.#options;
    const wakeMs = Math.round(ms * 100) / 100;
    const steps = Object.fromEntries(
      machine.origin.steps.map(({ name, milliseconds }) => [name, milliseconds]),
    );
    const fields = { from_state: from, wake_ms: wakeMs };
    log.debug("sandbox woken", {
      sandbox: sandbox.id,
      ...fields,
      ...(from === "cold" && { steps }),
    });
    const whose = { userId: sandbox.userId, sandboxId: sandbox.id };
    events.record({ type: "thermal.wake", ...whose, meta: fields });
  }

  #remember(actor: SandboxActor, sandbox: SandboxRecord, error: unknown): void {
    const { log, events, actors } = this.#options;
    log.error("cannot wake a sandbox", { sandbox: sandbox.id, error });
    events.record({
      type: "thermal.wake_failed",
      userId: sandbox.userId,
      sandboxId: sandbox.id,
      meta: { error: messageOf(error) },
    });
    if (isBhattiError(error) && lasting.includes(error.code)) {
      actor.failure = { error, until: actors.clock.now() + breakerMs };
    }
  }
}

/** Returns the machine if it can be used at once. */
function readyMachine(actor: SandboxActor): Machine | undefined {
  return actor.machine?.isAwake && !actor.isExclusive ? actor.machine : undefined;
}
