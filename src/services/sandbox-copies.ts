/** Sandboxes that are made from what another one is, or from what they were themselves. */
import { faultPoint } from "../async/fault-point.ts";
import type { Engine, Machine, SnapshotFacts, SnapshotKind } from "../engine/engine.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { type CopyModel, claimCopies } from "./copy-claim.ts";
import { newSnapshotId } from "./identifiers.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { identityOf } from "./sandbox-identity.ts";
import { checkUsable } from "./sandbox-states.ts";
import { undoClaim } from "./undo-claim.ts";

export interface CopiesOptions {
  store: Store;
  engine: Engine;
  actors: SandboxActors;
  keeper: MachineKeeper;
  events: EventSink;
  log: Logger;
  /** Called for each sandbox that has been made. */
  onMade(id: string): void;
}

export interface ForkRequest {
  /** With a count above 1, `name-1` to `name-N`. */
  name?: string | undefined;
  count: number;
  labels?: Record<string, string> | undefined;
}

export interface MadeFromSnapshot {
  sandbox: SandboxRecord;
  /** What was not as it should have been. */
  warning?: string;
}

const captureMilliseconds = 120_000;
const copyMilliseconds = 120_000;

export class SandboxCopies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /** Children of a sandbox as it is now: all of them, or none. */
  async fork(
    user: User,
    source: SandboxRecord,
    request: ForkRequest,
    signal: AbortSignal,
  ): Promise<SandboxRecord[]> {
    const { engine, log, actors } = this.#options;
    const model = request.labels ? { ...source, labels: request.labels } : source;
    const children = claimCopies(this.#options.store, user, model, namesFor(request), source.name);
    const snapshot = newSnapshotId();
    try {
      faultPoint("fork.claimed");
      const facts = await actors.of(source.id).perform({
        what: `Forking sandbox "${source.name}"`,
        milliseconds: captureMilliseconds,
        signal,
        work: (until) => this.capture(source.id, snapshot, "full", until),
      });
      log.debug("forking", {
        sandbox: source.id,
        children: children.length,
        paused_ms: facts.pausedMs,
      });
      faultPoint("fork.captured");
      return await this.#makeAll(children, snapshot, signal);
    } catch (error) {
      for (const child of children) undoClaim(this.#options, child, error);
      throw error;
    } finally {
      await engine.removeSnapshot(snapshot).catch((error: unknown) => {
        log.error("what a fork was made from was not removed", { snapshot, error });
      });
    }
  }

  /** A sandbox of its own. Errors: name_taken, sandbox_limit, and what the engine says. */
  async makeFrom(
    user: User,
    snapshot: CopyModel & { id: string; sourceName: string },
    name: string | undefined,
    signal: AbortSignal,
  ): Promise<MadeFromSnapshot> {
    const [claimed] = claimCopies(this.#options.store, user, snapshot, [name], snapshot.sourceName);
    if (!claimed) throw new Error("nothing was claimed");
    try {
      return await this.#make(claimed, snapshot.id, signal);
    } catch (error) {
      undoClaim(this.#options, claimed, error);
      throw error;
    }
  }

  /** The sandbox gets another machine, made from the snapshot; the one that it had is destroyed. */
  async replaceMachine(
    sandbox: SandboxRecord,
    snapshot: string,
    signal: AbortSignal,
  ): Promise<MadeFromSnapshot> {
    const { actors, store } = this.#options;
    const actor = actors.of(sandbox.id);
    const note = await actor.performExclusively({
      what: `Restoring sandbox "${sandbox.name}"`,
      milliseconds: copyMilliseconds,
      signal,
      work: (until) => this.#replace(sandbox.id, actor, snapshot, until),
    });
    this.#options.onMade(sandbox.id);
    return made(store.sandboxes.byId(sandbox.id) ?? sandbox, note);
  }

  /** Only within the actor's queue. */
  async capture(
    id: string,
    snapshot: string,
    kind: SnapshotKind,
    signal: AbortSignal,
  ): Promise<SnapshotFacts> {
    const { engine } = this.#options;
    const sandbox = this.#require(id);
    checkUsable(sandbox);
    const { engineId, cpus, memoryMB, name } = sandbox;
    if (engineId === null) {
      throw new BhattiError("machine_failed", `The disk of sandbox "${name}" is gone`);
    }
    return await engine.capture(engineId, { cpus, memoryMB }, snapshot, kind, signal);
  }

  async #replace(
    id: string,
    actor: SandboxActor,
    snapshot: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { engine, keeper, log } = this.#options;
    const before = this.#require(id);
    const machine = await engine.clone(snapshot, identityOf(before), signal);
    faultPoint("replace.made");
    try {
      keeper.attach(actor, machine, machine.origin.note);
    } catch (error) {
      await engine.destroy(machine.id);
      throw error;
    }
    actor.failure = undefined;
    actor.activity.saw("it was restored");
    faultPoint("replace.stored");
    if (before.engineId !== null) {
      await engine.destroy(before.engineId).catch((error: unknown) => {
        log.error("a machine that was replaced was not removed", {
          machine: before.engineId,
          error,
        });
      });
    }
    faultPoint("replace.old-gone");
    return machine.origin.note;
  }

  /** Waits for all before it gives up, so that what was made can be taken away. */
  async #makeAll(
    children: SandboxRecord[],
    snapshot: string,
    signal: AbortSignal,
  ): Promise<SandboxRecord[]> {
    const outcomes = await Promise.allSettled(
      children.map((child) => this.#make(child, snapshot, signal)),
    );
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (!failed) {
      return outcomes.flatMap((outcome) =>
        outcome.status === "fulfilled" ? [outcome.value.sandbox] : [],
      );
    }
    await Promise.all(children.map((child) => this.#takeAway(child)));
    throw failed.reason;
  }

  async #make(
    sandbox: SandboxRecord,
    snapshot: string,
    signal: AbortSignal,
  ): Promise<MadeFromSnapshot> {
    const { actors, engine, store } = this.#options;
    const actor = actors.of(sandbox.id);
    const machine = await actor.perform({
      what: `Making sandbox "${sandbox.name}"`,
      milliseconds: copyMilliseconds,
      signal,
      work: async (until) => {
        // Its name is visible from the start, also while its source is still being copied.
        if (!store.sandboxes.byId(sandbox.id)) throw destroyedMeanwhile(sandbox);
        const copy = await engine.clone(snapshot, identityOf(sandbox), until);
        faultPoint("copy.made");
        try {
          this.#options.keeper.attach(actor, copy, copy.origin.note);
        } catch (error) {
          await engine.destroy(copy.id);
          throw error;
        }
        return copy;
      },
    });
    faultPoint("copy.stored");
    this.#options.onMade(sandbox.id);
    this.#tell(sandbox, machine);
    return made(store.sandboxes.byId(sandbox.id) ?? sandbox, machine.origin.note);
  }

  /** In its queue: its user may have begun to use it. */
  async #takeAway(child: SandboxRecord): Promise<void> {
    const { actors, engine, log, store } = this.#options;
    const actor = actors.of(child.id);
    try {
      await actor.perform({
        what: `Taking sandbox "${child.name}" away, as its fork failed`,
        milliseconds: copyMilliseconds,
        work: async () => {
          actor.machine = undefined;
          const engineId = store.sandboxes.byId(child.id)?.engineId ?? null;
          if (engineId !== null) await engine.destroy(engineId);
        },
      });
    } catch (error) {
      log.error("a child of a fork that failed was not removed", { sandbox: child.id, error });
    }
  }

  #tell({ id, userId, name, cpus, memoryMB, image }: SandboxRecord, { origin }: Machine): void {
    const steps = Object.fromEntries(origin.steps.map((step) => [step.name, step.milliseconds]));
    const meta = { name, cpus, memory_mb: memoryMB, image, steps, note: origin.note };
    this.#options.log.debug("sandbox made as a copy", { sandbox: id, ...meta });
    this.#options.events.record({ type: "sandbox.created", userId, sandboxId: id, meta });
  }

  #require(id: string): SandboxRecord {
    const sandbox = this.#options.store.sandboxes.byId(id);
    if (sandbox && sandbox.destroyRequestedAt === null) return sandbox;
    throw new BhattiError("sandbox_not_found", "sandbox not found");
  }
}

function destroyedMeanwhile({ name }: SandboxRecord): BhattiError {
  return new BhattiError("cancelled", `Sandbox "${name}" was destroyed while it was being made`);
}

function namesFor({ name, count }: ForkRequest): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => {
    if (name === undefined || count === 1) return name;
    return `${name}-${index + 1}`;
  });
}

function made(sandbox: SandboxRecord, warning: string | undefined): MadeFromSnapshot {
  return warning === undefined ? { sandbox } : { sandbox, warning };
}
