/** Creates: of several at once for one name one makes the sandbox, and the others wait for its outcome. */
import { abortable, pause, within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { sameNameMs, stepMs } from "../contract/deadlines.ts";
import type { Machine } from "../engine/engine.ts";
import { isBhattiError } from "../errors/bhatti-error.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { User } from "../store/users.ts";
import type { FoundImage } from "./images.ts";
import { type Accepted, mapOutcome, type Operation } from "./operation.ts";
import { claimSandbox } from "./sandbox-claim.ts";
import { type CreationOrder, type MakingStory, makeMachine } from "./sandbox-creation.ts";
import { requireSandbox } from "./sandbox-lookup.ts";
import { fillDefaults, type SandboxPlan, type SandboxRequest } from "./sandbox-plan.ts";
import type { SandboxesOptions } from "./sandboxes.ts";
import { requireTemplate } from "./templates.ts";
import { undoClaim } from "./undo-claim.ts";

const lookAgainMs = 20;

export interface CreatesOptions extends SandboxesOptions {
  /** Called for each new sandbox. */
  onMade(id: string): void;
}

export interface Created {
  sandbox: SandboxRecord;
  existing: boolean;
}

export class SandboxCreates {
  readonly #options: CreatesOptions;
  /** Those under way, by sandbox id. */
  readonly #pending = new Map<string, Required<Accepted<SandboxRecord>>>();

  constructor(options: CreatesOptions) {
    this.#options = options;
  }

  /**
   * The user's sandbox of that name if there is one already, also at the limit. Without a caller it does not wait for
   * another create of that name, but joins its operation.
   */
  async create(
    user: User,
    request: SandboxRequest,
    caller: AbortSignal | undefined,
  ): Promise<Accepted<Created>> {
    const { store, defaults } = this.#options;
    const template = request.template ? requireTemplate(store, user, request.template) : undefined;
    const plan = fillDefaults(request, template, defaults);
    const what = `Waiting for another create of sandbox "${plan.name}"`;
    return await within(sameNameMs, what, caller, async (signal) => {
      for (;;) {
        const { claim, operation } = this.#claim(user, plan);
        if (operation) return this.#begin(claim.sandbox, plan, claim.image, operation, caller);
        const existing = await this.#existing(claim.sandbox, caller, signal);
        if (existing) return existing;
      }
    });
  }

  /**
   * The user's sandbox of that name, once it has been made, or without a caller the operation that creates it; undefined
   * when the name is free.
   */
  async existing(
    user: User,
    name: string,
    caller: AbortSignal | undefined,
    signal: AbortSignal,
  ): Promise<Accepted<Created> | undefined> {
    for (;;) {
      const row = this.#options.store.sandboxes.byName(user.id, name);
      const existing = row && (await this.#existing(row, caller, signal));
      if (existing || !row) return existing;
    }
  }

  /** The sandbox's row and its operation come in one transaction. */
  #claim(user: User, plan: SandboxPlan) {
    const { store, images, actors, operations } = this.#options;
    return store.transaction(() => {
      const claim = claimSandbox(store, images, user, plan, actors.clock.now());
      if (claim.kind === "existing") return { claim, operation: undefined };
      const { id, name, memoryMB } = claim.sandbox;
      const operation = operations.accept({
        kind: "sandbox.create",
        userId: user.id,
        target: { kind: "sandbox", id, name },
        size: { memoryMB },
      });
      return { claim, operation };
    });
  }

  #begin(
    sandbox: SandboxRecord,
    plan: SandboxPlan,
    image: FoundImage,
    operation: Operation,
    caller: AbortSignal | undefined,
  ): Accepted<Created> {
    const { id, name } = sandbox;
    const pending = operation.run(
      caller,
      () => this.#make(sandbox, plan, image, operation),
      () => ({ sandboxes: [{ id, name }] }),
    );
    this.#pending.set(id, pending);
    void operation.ended.then(() => this.#pending.delete(id));
    return mapOutcome(pending, (made) => ({ sandbox: made, existing: false }));
  }

  /** Undefined when it is gone by the time that its name is free to take. */
  async #existing(
    sandbox: SandboxRecord,
    caller: AbortSignal | undefined,
    signal: AbortSignal,
  ): Promise<Accepted<Created> | undefined> {
    const { store, operations } = this.#options;
    const { id, destroyRequestedAt } = sandbox;
    const operation = operations.creating(id);
    const accepted = (outcome: Promise<SandboxRecord>) =>
      mapOutcome({ ...(operation && { operation: operation.record.id }), outcome }, asExisting);
    if (operation && !caller && destroyRequestedAt === null) {
      return accepted(operation.ended.then(() => requireSandbox(store, id)));
    }
    const found = await this.#whenFree(sandbox, signal);
    return found && accepted(Promise.resolve(found));
  }

  /** Waits until the sandbox is not being created or destroyed. */
  async #whenFree(sandbox: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord | undefined> {
    const { store, actors, log } = this.#options;
    if (sandbox.destroyRequestedAt !== null) {
      log.debug("create waits for a destroy of the same name", { sandbox: sandbox.id });
      await abortable(actors.of(sandbox.id).settled(), signal);
      return store.sandboxes.byId(sandbox.id);
    }
    const pending = this.#pending.get(sandbox.id);
    if (!pending) return await this.#whenMade(sandbox, signal);
    log.debug("create waits for another create of the same name", { sandbox: sandbox.id });
    try {
      return await abortable(pending.outcome, signal);
    } catch (error) {
      // The first one's caller went away: this one's is still there and gets a sandbox of its own.
      if (isBhattiError(error, "cancelled") && !signal.aborted) return undefined;
      throw error;
    }
  }

  /** Waits for a create by a fork or a snapshot: afterwards the sandbox exists or its name is free. */
  async #whenMade({ id }: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord | undefined> {
    for (;;) {
      const sandbox = this.#options.store.sandboxes.byId(id);
      if (sandbox?.status !== "creating") return sandbox;
      await pause(lookAgainMs, signal);
    }
  }

  async #make(
    sandbox: SandboxRecord,
    plan: SandboxPlan,
    image: FoundImage,
    operation: Operation,
  ): Promise<SandboxRecord> {
    const { engine, actors, keeper, configOf } = this.#options;
    const log = this.#options.log.child({ sandbox: sandbox.id });
    const actor = actors.of(sandbox.id);
    const order: CreationOrder = { sandbox, configOf, image, files: plan.files };
    try {
      return await actor.perform({
        what: `Creating sandbox "${sandbox.name}"`,
        milliseconds: stepMs.make,
        signal: operation.signal,
        work: async (workSignal) => {
          try {
            faultPoint("create.claimed");
            operation.report("creating the VM");
            const commit = (machine: Machine) => keeper.attach(actor, machine);
            const story = await makeMachine(engine, order, workSignal, log, commit);
            actor.activity.saw("created");
            this.#options.onMade(sandbox.id);
            return this.#created(sandbox, story);
          } catch (error) {
            undoClaim(this.#options, sandbox, error);
            throw error;
          }
        },
      });
    } catch (error) {
      undoClaim(this.#options, sandbox, error); // also when the work never began
      throw error;
    }
  }

  #created(claimed: SandboxRecord, story: MakingStory): SandboxRecord {
    const { store, events, log } = this.#options;
    const sandbox = store.sandboxes.byId(claimed.id) ?? claimed;
    const { name, cpus, memoryMB, diskSizeMB, image } = sandbox;
    const meta = { name, cpus, memory_mb: memoryMB, disk_size_mb: diskSizeMB, image };
    log.debug("sandbox created", { sandbox: sandbox.id, ...meta });
    const whose = { userId: sandbox.userId, sandboxId: sandbox.id };
    events.record({ type: "sandbox.booted", ...whose, meta: story });
    events.record({ type: "sandbox.created", ...whose, meta });
    return sandbox;
  }
}

const asExisting = (sandbox: SandboxRecord): Created => ({ sandbox, existing: true });
