/** Stop and start, as users ask for them. Both are idempotent. */
import { settledWithin, within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { queueMs, stepMs } from "../contract/deadlines.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { BhattiError, isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { LastKnown } from "./last-known.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { Operation } from "./operation.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { diskGone, requireSandbox } from "./sandbox-lookup.ts";
import { checkUsable } from "./sandbox-states.ts";
import type { Wake } from "./wake.ts";

export interface LifecycleOptions {
  store: Store;
  engine: Engine;
  actors: SandboxActors;
  keeper: MachineKeeper;
  wake: Wake;
  lastKnown: LastKnown;
  events: EventSink;
  log: Logger;
}

/** Why one that was lost, and is stopped then, starts from its disk. */
const memoryIsGone = "no saved state";
/** As for a stop. */
const answerMs = 5_000;

export class Lifecycle {
  readonly #options: LifecycleOptions;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** Memory, processes and disk are kept in files, durably, before the machine may end; if that fails it runs on. */
  async stop({ id, name, memoryMB }: SandboxRecord, operation: Operation): Promise<void> {
    const actor = this.#options.actors.of(id);
    await actor.performExclusively({
      what: `Stopping sandbox "${name}"`,
      milliseconds: stepMs.suspend(memoryMB),
      signal: operation.signal,
      work: async (signal) => {
        operation.start({ status: requireSandbox(this.#options.store, id).status });
        operation.report("suspending to disk");
        await this.suspend(id, actor, "stopped", signal);
      },
    });
  }

  /** With `force`, from its disk alone when nothing else works. Gives what its user has to know about it. */
  async start(sandbox: SandboxRecord, force: boolean): Promise<string | undefined> {
    const { id, name, memoryMB } = sandbox;
    const actor = this.#options.actors.of(id);
    const what = `Starting sandbox "${name}"`;
    await within(queueMs(memoryMB) + stepMs.start, what, undefined, (signal) =>
      actor.perform({
        ...{ what, signal, milliseconds: stepMs.start },
        work: (until) => this.#start(id, actor, force, until),
      }),
    );
    const { untold } = actor;
    actor.untold = undefined;
    return untold;
  }

  /** Only within the actor's queue. */
  async suspend(
    id: string,
    actor: SandboxActor,
    status: "running" | "stopped",
    signal: AbortSignal,
  ): Promise<void> {
    const { keeper, events } = this.#options;
    const sandbox = requireSandbox(this.#options.store, id);
    checkUsable(sandbox);
    const { machine } = actor;
    const started = performance.now();
    const kept = machine ? "all" : await this.#keptOf(sandbox);
    // A paused machine was asked before it was paused.
    if (machine?.isAwake) await this.#options.lastKnown.ask(actor, machine, signal);
    await machine?.suspend(signal);
    faultPoint("cold.suspended");
    if (kept === "disk") keeper.detach(actor, status, sandbox.statusReason ?? memoryIsGone);
    else keeper.suspended(actor, status);
    faultPoint("cold.stored");
    if (status !== "stopped" || sandbox.status === "stopped") return;
    const ms = Math.round(performance.now() - started);
    const meta = { name: sandbox.name, reason: "api", ms };
    events.record({ type: "sandbox.stopped", userId: sandbox.userId, sandboxId: id, meta });
    this.#options.log.debug("sandbox stopped", { sandbox: id, ms });
  }

  async #start(
    id: string,
    actor: SandboxActor,
    force: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { wake, events } = this.#options;
    const sandbox = requireSandbox(this.#options.store, id);
    checkUsable(sandbox);
    actor.failure = undefined;
    actor.activity.saw("started");
    const { machine } = actor;
    // A paused machine cannot answer until it is woken.
    const isAsked = machine && !machine.isPaused && (force || !machine.isStalled);
    if (isAsked && !(await answers(machine, signal))) {
      if (!force) throw unresponsive(sandbox);
      await this.#giveUp(actor, machine);
    }
    // With force the rest of the time is for a boot.
    const limit = force ? stepMs.resume : stepMs.wake;
    try {
      await settledWithin(limit, "Waking the sandbox", signal, (both) =>
        wake.makeHot(id, actor, both),
      );
    } catch (error) {
      // A boot needs more disk space than the wake that was refused.
      if (!force || signal.aborted || isBhattiError(error, "disk_full")) throw error;
      if (actor.machine) await this.#giveUp(actor, actor.machine);
      await wake.boot(requireSandbox(this.#options.store, id), actor, messageOf(error), signal);
      actor.failure = undefined;
    }
    if (actor.machine?.isStalled) throw pausedForSpace(sandbox);
    if (sandbox.status === "running") return;
    const meta = { name: sandbox.name, reason: "api" };
    events.record({ type: "sandbox.started", userId: sandbox.userId, sandboxId: id, meta });
  }

  /** Its memory is lost; that is what `force` says. */
  async #giveUp(actor: SandboxActor, machine: Machine): Promise<void> {
    this.#options.log.warn("killing a VM that does not respond", { sandbox: actor.id });
    actor.machine = undefined;
    await machine.halt();
    faultPoint("start.halted");
    this.#options.keeper.detach(actor, "unknown", "memory discarded: the guest did not respond");
  }

  /** What is in files of one without a machine. */
  async #keptOf(sandbox: SandboxRecord): Promise<"all" | "disk"> {
    const { name, engineId } = sandbox;
    const state = engineId === null ? "gone" : await this.#options.engine.stateOf(engineId);
    if (state === "gone") throw diskGone(sandbox);
    if (state === "running") {
      throw new BhattiError(
        "machine_failed",
        `Sandbox "${name}" is running, but its VM does not respond`,
        { hint: `Try again, or discard its memory: bhatti start --force ${name}` },
      );
    }
    return state === "suspended" ? "all" : "disk";
  }
}

function unresponsive({ name }: SandboxRecord): BhattiError {
  return new BhattiError(
    "guest_unresponsive",
    `The guest of sandbox "${name}" did not respond within ${answerMs / 1000} s`,
    { hint: `Boot from disk, which discards its memory: bhatti start --force ${name}` },
  );
}

function pausedForSpace({ name }: SandboxRecord): BhattiError {
  return new BhattiError(
    "disk_full",
    `Sandbox "${name}" is paused because the host disk is full; it resumes when there is free space`,
  );
}

async function answers(machine: Machine, signal: AbortSignal): Promise<boolean> {
  try {
    await within(answerMs, "The guest's reply", signal, async (until) =>
      (await machine.guest(until)).ping(until),
    );
    return true;
  } catch {
    return false;
  }
}
