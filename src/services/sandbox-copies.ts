/** Machines that are made from a snapshot: for a sandbox of its own, or for the one that it was made of. */
import { faultPoint } from "../async/fault-point.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { SnapshotRecord } from "../store/snapshots.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import type { ConfigOf } from "./machine-config.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { Operation } from "./operation.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import { claimCopies } from "./sandbox-claim.ts";
import { requireSandbox } from "./sandbox-lookup.ts";
import { undoClaim } from "./undo-claim.ts";

export interface CopiesOptions {
  store: Store;
  engine: Engine;
  configOf: ConfigOf;
  actors: SandboxActors;
  keeper: MachineKeeper;
  events: EventSink;
  log: Logger;
  /** Called for each sandbox that has been made. */
  onMade(id: string): void;
}

/** The settings that a snapshot does not keep. */
const otherTraits = { keepHot: false, idleWarmSeconds: null, idleColdSeconds: null };

export class SandboxCopies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /** After whatever changed how hot it is or may be. */
  watch(id: string): void {
    this.#options.onMade(id);
  }

  /** The row of a sandbox of its own, for `makeClaimed`. Errors: name_taken, sandbox_limit, quota_exceeded. */
  claim(user: User, snapshot: SnapshotRecord, name: string | undefined): SandboxRecord {
    const model = { ...snapshot, ...otherTraits, expiresAt: null };
    const [claimed] = claimCopies(this.#options.store, user, model, [name], snapshot.sourceName);
    if (!claimed) throw new Error("nothing was claimed");
    return claimed;
  }

  /** As `make`; when it fails the row goes too. */
  async makeClaimed(
    claimed: SandboxRecord,
    snapshot: string,
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    try {
      return await this.make(claimed, snapshot, signal);
    } catch (error) {
      undoClaim(this.#options, claimed, error);
      throw error;
    }
  }

  /** The machine of a claimed sandbox, one of `count` made at once. On failure the caller removes the row. */
  async make(
    sandbox: SandboxRecord,
    snapshot: string,
    signal: AbortSignal,
    count = 1,
  ): Promise<SandboxRecord> {
    const { actors, store } = this.#options;
    const actor = actors.of(sandbox.id);
    const machine = await actor.perform({
      what: `Creating sandbox "${sandbox.name}"`,
      milliseconds: stepMs.clone(sandbox.memoryMB, count),
      signal,
      work: async (until) => {
        // Its name is visible from the start, also while its source is still being copied.
        if (!store.sandboxes.byId(sandbox.id)) throw destroyedMeanwhile(sandbox);
        return await this.#clone(sandbox, actor, snapshot, "copy.made", until);
      },
    });
    faultPoint("copy.stored");
    actor.activity.saw("created");
    this.#options.onMade(sandbox.id);
    this.#tell(sandbox, machine);
    return store.sandboxes.byId(sandbox.id) ?? sandbox;
  }

  /** The sandbox gets another machine, made from the snapshot; the one that it had is destroyed. */
  async replaceMachine(
    sandbox: SandboxRecord,
    snapshot: string,
    operation: Operation,
  ): Promise<SandboxRecord> {
    const { actors, store } = this.#options;
    const actor = actors.of(sandbox.id);
    await actor.performExclusively({
      what: `Restoring sandbox "${sandbox.name}"`,
      milliseconds: stepMs.clone(sandbox.memoryMB) + stepMs.destroy,
      signal: operation.signal,
      work: async (until) => {
        operation.start({ engineId: requireSandbox(store, sandbox.id).engineId });
        operation.report("creating the VM");
        await this.#replace(sandbox.id, actor, snapshot, until);
      },
    });
    this.#options.onMade(sandbox.id);
    return store.sandboxes.byId(sandbox.id) ?? sandbox;
  }

  async #replace(
    id: string,
    actor: SandboxActor,
    snapshot: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { engine, log, store } = this.#options;
    const before = requireSandbox(store, id);
    await this.#clone(before, actor, snapshot, "replace.made", signal);
    actor.failure = undefined;
    actor.activity.saw("restored");
    faultPoint("replace.stored");
    const { engineId } = before;
    if (engineId !== null) {
      await engine.destroy(engineId).catch((error: unknown) => {
        log.error("cannot remove a replaced VM", { machine: engineId, error });
      });
    }
    faultPoint("replace.old-gone");
  }

  async #clone(
    sandbox: SandboxRecord,
    actor: SandboxActor,
    snapshot: string,
    whenMade: string,
    signal: AbortSignal,
  ): Promise<Machine> {
    const { engine, keeper, configOf } = this.#options;
    const machine = await engine.clone(snapshot, configOf(sandbox), signal);
    faultPoint(whenMade);
    try {
      keeper.attach(actor, machine, machine.origin.note);
      return machine;
    } catch (error) {
      await engine.destroy(machine.id);
      throw error;
    }
  }

  #tell({ id, userId, name, cpus, memoryMB, image }: SandboxRecord, { origin }: Machine): void {
    const steps = Object.fromEntries(origin.steps.map((step) => [step.name, step.milliseconds]));
    const meta = { name, cpus, memory_mb: memoryMB, image, steps, note: origin.note };
    this.#options.log.debug("sandbox cloned", { sandbox: id, ...meta });
    this.#options.events.record({ type: "sandbox.created", userId, sandboxId: id, meta });
  }
}

function destroyedMeanwhile({ name }: SandboxRecord): BhattiError {
  return new BhattiError("cancelled", `Sandbox "${name}" was destroyed while it was being created`);
}
