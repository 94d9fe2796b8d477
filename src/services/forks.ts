/** Forks: children of a sandbox that go on from where it is, all of them or none. */
import { within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { sameNameMs, stepMs } from "../contract/deadlines.ts";
import type { SandboxTraits } from "../contract/sandbox-traits.ts";
import { isBhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { User } from "../store/users.ts";
import { capture, removeCapture } from "./capture.ts";
import { expiryAfter } from "./expiry.ts";
import { newSnapshotId } from "./identifiers.ts";
import { type Accepted, mapOutcome, type Operation } from "./operation.ts";
import type { Operations } from "./operations.ts";
import { type CopyModel, claimCopies } from "./sandbox-claim.ts";
import type { CopiesOptions, SandboxCopies } from "./sandbox-copies.ts";
import type { Created } from "./sandbox-creates.ts";
import { sandboxOf } from "./sandbox-lookup.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { undoClaim } from "./undo-claim.ts";

/** Absent settings are copied from the source, except `keepHot`, which is false. */
export interface ForkRequest extends Partial<SandboxTraits> {
  /** With a count above 1, `name-1` to `name-N`. */
  name?: string | undefined;
  count: number;
  /** It does not end by itself unless given. */
  ttlSeconds?: number | undefined;
}

export type ForksOptions = Omit<CopiesOptions, "onMade"> & {
  copies: SandboxCopies;
  sandboxes: Pick<Sandboxes, "existing">;
  operations: Operations;
};

export class Forks {
  readonly #options: ForksOptions;

  constructor(options: ForksOptions) {
    this.#options = options;
  }

  /** Creates one child, or returns the existing sandbox of that name, as a create does. */
  async createOne(
    user: User,
    ref: string,
    request: Omit<ForkRequest, "count">,
    caller: AbortSignal | undefined,
  ): Promise<Accepted<Created>> {
    const { name } = request;
    const what = `Waiting for another create of sandbox "${name}"`;
    return await within(sameNameMs, what, caller, async (signal) => {
      for (;;) {
        const existing =
          name === undefined
            ? undefined
            : await this.#options.sandboxes.existing(user, name, caller, signal);
        if (existing) return existing;
        try {
          const accepted = this.create(user, ref, { ...request, count: 1 }, caller);
          return mapOutcome(accepted, ([sandbox]) => {
            if (!sandbox) throw new Error("nothing was forked");
            return { sandbox, existing: false };
          });
        } catch (error) {
          if (!isBhattiError(error, "name_taken")) throw error; // taken in between
        }
      }
    });
  }

  create(
    user: User,
    ref: string,
    request: ForkRequest,
    caller: AbortSignal | undefined,
  ): Accepted<SandboxRecord[]> {
    const { store } = this.#options;
    const source = sandboxOf(store, user, ref);
    const { children, operation } = store.transaction(() => this.#claim(user, source, request));
    return operation.run(
      caller,
      () => this.#make(source, children, operation),
      () => ({ sandboxes: children.map(({ id, name }) => ({ id, name })) }),
    );
  }

  #claim(user: User, source: SandboxRecord, request: ForkRequest) {
    const { actors, operations, store } = this.#options;
    const { id, name, memoryMB } = source;
    const model = modelOf(source, request, actors.clock.now());
    const children = claimCopies(store, user, model, namesFor(request), name);
    const operation = operations.accept({
      kind: "sandbox.fork",
      userId: user.id,
      target: { kind: "sandbox", id, name },
      size: { memoryMB, count: children.length },
      isPending: actors.of(id).isBusy,
      before: { sandboxes: children.map((child) => child.id) },
    });
    return { children, operation };
  }

  async #make(
    source: SandboxRecord,
    children: SandboxRecord[],
    operation: Operation,
  ): Promise<SandboxRecord[]> {
    const { copies, log } = this.#options;
    const failed = new AbortController();
    const both = AbortSignal.any([operation.signal, failed.signal]);
    let made = 0;
    try {
      faultPoint("fork.claimed");
      await using snapshot = this.#snapshot();
      const what = `Forking sandbox "${source.name}"`;
      const order = { of: source.id, what, snapshot: snapshot.id, kind: "full" } as const;
      const { pausedMs } = await capture(this.#options, order, operation);
      log.debug("forking", { sandbox: source.id, children: children.length, paused_ms: pausedMs });
      faultPoint("fork.captured");
      const making = children.map(async (child) => {
        try {
          const sandbox = await copies.make(child, snapshot.id, both, children.length);
          made += 1;
          operation.report(`created ${made} of ${children.length}`);
          return sandbox;
        } catch (error) {
          failed.abort(error); // the others are for nothing now
          throw error;
        }
      });
      await Promise.allSettled(making);
      failed.signal.throwIfAborted();
      return await Promise.all(making);
    } catch (error) {
      await Promise.all(children.map((child) => this.#takeAway(child, error)));
      throw error;
    } finally {
      copies.watch(source.id);
    }
  }

  /** What they are made from goes when they are made, or could not be. */
  #snapshot(): AsyncDisposable & { id: string } {
    const id = newSnapshotId();
    return { id, [Symbol.asyncDispose]: () => removeCapture(this.#options, id) };
  }

  /** In its queue: its user may have begun to use it. One that cannot be removed stays listed, for its user to destroy. */
  async #takeAway(child: SandboxRecord, failure: unknown): Promise<void> {
    const { actors, engine, keeper, log, store } = this.#options;
    const actor = actors.of(child.id);
    try {
      await actor.perform({
        what: `Removing sandbox "${child.name}" after a failed fork`,
        milliseconds: stepMs.destroy,
        work: async () => {
          const engineId = store.sandboxes.byId(child.id)?.engineId ?? null;
          actor.machine = undefined;
          if (engineId !== null) await engine.destroy(engineId);
          undoClaim(this.#options, child, failure);
        },
      });
    } catch (error) {
      log.error("cannot remove the sandbox of a failed fork", { sandbox: child.id, error });
      if (!store.sandboxes.byId(child.id)) return; // its user destroyed it meanwhile
      const reason = `fork failed, and removing the sandbox failed: ${messageOf(error)}`;
      keeper.detach(actor, "unknown", reason);
    }
  }
}

/** What a child is like: its source now, but for what is asked otherwise and for how long that may cost something. */
function modelOf(source: SandboxRecord, request: ForkRequest, now: number): CopyModel {
  return {
    ...source,
    keepHot: false,
    ...request,
    expiresAt: expiryAfter(now, request.ttlSeconds ?? null),
  };
}

function namesFor({ name, count }: ForkRequest): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => {
    if (name === undefined || count === 1) return name;
    return `${name}-${index + 1}`;
  });
}
