/** Creates: of several at once for one name one makes the sandbox, and the others wait for its outcome. */
import { abortable, pause, within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import type { Machine } from "../engine/engine.ts";
import { isBhattiError } from "../errors/bhatti-error.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { User } from "../store/users.ts";
import type { FoundImage } from "./images.ts";
import { claimSandbox } from "./sandbox-claim.ts";
import { type CreationOrder, type MakingStory, makeMachine } from "./sandbox-creation.ts";
import { fillDefaults, type SandboxPlan, type SandboxRequest } from "./sandbox-plan.ts";
import type { SandboxesOptions } from "./sandboxes.ts";
import { requireTemplate } from "./templates.ts";
import { undoClaim } from "./undo-claim.ts";

const createMs = 120_000;
/** As long as a capture and a copy of it may take. */
const makingMs = 420_000;
const lookAgainMs = 20;

export class SandboxCreates {
  readonly #options: SandboxesOptions;
  /** Those under way, by sandbox id. */
  readonly #pending = new Map<string, Promise<SandboxRecord>>();

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  /** The user's sandbox of that name if there is one already, also at the limit. */
  async create(
    user: User,
    request: SandboxRequest,
    signal: AbortSignal,
  ): Promise<{ sandbox: SandboxRecord; existing: boolean }> {
    const { store, images, actors, defaults } = this.#options;
    const template = request.template ? requireTemplate(store, user, request.template) : undefined;
    const plan = fillDefaults(request, template, defaults);
    for (;;) {
      const claim = claimSandbox(store, images, user, plan, actors.clock.now());
      if (claim.kind === "new") {
        const making = this.#make(claim.sandbox, plan, claim.image, signal);
        this.#pending.set(claim.sandbox.id, making);
        return { sandbox: await making, existing: false };
      }
      const sandbox = await this.#existing(claim.sandbox, signal);
      if (sandbox) return { sandbox, existing: true };
    }
  }

  /** The user's sandbox of that name, once it has been made; undefined when the name is free. */
  async existing(
    user: User,
    name: string,
    signal: AbortSignal,
  ): Promise<SandboxRecord | undefined> {
    for (;;) {
      const row = this.#options.store.sandboxes.byName(user.id, name);
      const sandbox = row && (await this.#existing(row, signal));
      if (sandbox || !row) return sandbox;
    }
  }

  /** Undefined when it is gone by the time that its name is free to take. */
  async #existing(sandbox: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord | undefined> {
    const { store, actors, log } = this.#options;
    if (sandbox.destroyRequestedAt !== null) {
      log.debug("a create waits for the destroy of its name", { sandbox: sandbox.id });
      await abortable(actors.of(sandbox.id).settled(), signal);
      return store.sandboxes.byId(sandbox.id);
    }
    const pending = this.#pending.get(sandbox.id);
    if (!pending) return await this.#whenMade(sandbox, signal);
    log.debug("a create waits for another of its name", { sandbox: sandbox.id });
    try {
      return await abortable(pending, signal);
    } catch (error) {
      // The first one's caller went away: this one's is still there and gets a sandbox of its own.
      if (isBhattiError(error, "cancelled") && !signal.aborted) return undefined;
      throw error;
    }
  }

  /** One that a fork or a snapshot is making: it is there in the end, or its name is free. */
  async #whenMade(
    { id, name }: SandboxRecord,
    signal: AbortSignal,
  ): Promise<SandboxRecord | undefined> {
    const what = `Waiting for sandbox "${name}", which is being made`;
    return await within(makingMs, what, signal, async (both) => {
      for (;;) {
        const sandbox = this.#options.store.sandboxes.byId(id);
        if (sandbox?.status !== "creating") return sandbox;
        await pause(lookAgainMs, both);
      }
    });
  }

  async #make(
    sandbox: SandboxRecord,
    plan: SandboxPlan,
    image: FoundImage,
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    const { engine, actors, keeper, configOf } = this.#options;
    const log = this.#options.log.child({ sandbox: sandbox.id });
    const actor = actors.of(sandbox.id);
    const order: CreationOrder = { sandbox, configOf, image, files: plan.files };
    try {
      return await actor.perform({
        what: `Creating sandbox "${sandbox.name}"`,
        milliseconds: createMs,
        signal,
        work: async (workSignal) => {
          try {
            faultPoint("create.claimed");
            const commit = (machine: Machine) => keeper.attach(actor, machine);
            const story = await makeMachine(engine, order, workSignal, log, commit);
            actor.activity.saw("it was created");
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
    } finally {
      this.#pending.delete(sandbox.id);
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
