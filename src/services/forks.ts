/** Forks: children of a sandbox that go on from where it is, all of them or none. */
import { faultPoint } from "../async/fault-point.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { User } from "../store/users.ts";
import { capture } from "./capture.ts";
import { expiryAfter } from "./expiry.ts";
import { newSnapshotId } from "./identifiers.ts";
import { type CopyModel, claimCopies } from "./sandbox-claim.ts";
import { type CopiesOptions, copyMs, type SandboxCopies } from "./sandbox-copies.ts";
import { sandboxOf } from "./sandbox-lookup.ts";
import { undoClaim } from "./undo-claim.ts";

export interface ForkRequest {
  /** With a count above 1, `name-1` to `name-N`. */
  name?: string | undefined;
  count: number;
  labels?: Record<string, string> | undefined;
  keepHot?: boolean | undefined;
  /** As its source unless given. */
  idleWarmSeconds?: number | undefined;
  idleColdSeconds?: number | undefined;
  /** It does not end by itself unless given. */
  ttlSeconds?: number | undefined;
}

export type ForksOptions = Omit<CopiesOptions, "onMade"> & { copies: SandboxCopies };

export class Forks {
  readonly #options: ForksOptions;

  constructor(options: ForksOptions) {
    this.#options = options;
  }

  async create(
    user: User,
    ref: string,
    request: ForkRequest,
    signal: AbortSignal,
  ): Promise<SandboxRecord[]> {
    const { actors, engine, log, store } = this.#options;
    const source = sandboxOf(store, user, ref);
    const model = modelOf(source, request, actors.clock.now());
    const children = claimCopies(store, user, model, namesFor(request), source.name);
    const snapshot = newSnapshotId();
    try {
      faultPoint("fork.claimed");
      const what = `Forking sandbox "${source.name}"`;
      const order = { of: source.id, what, snapshot, kind: "full" } as const;
      const { pausedMs } = await capture(this.#options, order, signal);
      log.debug("forking", { sandbox: source.id, children: children.length, paused_ms: pausedMs });
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

  /** Waits for all before it gives up, so that what was made can be taken away. */
  async #makeAll(
    children: SandboxRecord[],
    snapshot: string,
    signal: AbortSignal,
  ): Promise<SandboxRecord[]> {
    const making = children.map((child) => this.#options.copies.make(child, snapshot, signal));
    await Promise.allSettled(making);
    try {
      return await Promise.all(making);
    } catch (error) {
      await Promise.all(children.map((child) => this.#takeAway(child)));
      throw error;
    }
  }

  /** In its queue: its user may have begun to use it. */
  async #takeAway(child: SandboxRecord): Promise<void> {
    const { actors, engine, log, store } = this.#options;
    const actor = actors.of(child.id);
    try {
      await actor.perform({
        what: `Taking sandbox "${child.name}" away, as its fork failed`,
        milliseconds: copyMs,
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
}

/** What a child is like: its source now, but for what is asked otherwise and for how long that may cost something. */
function modelOf(source: SandboxRecord, request: ForkRequest, now: number): CopyModel {
  return {
    ...source,
    labels: request.labels ?? source.labels,
    keepHot: request.keepHot ?? false,
    idleWarmSeconds: request.idleWarmSeconds ?? source.idleWarmSeconds,
    idleColdSeconds: request.idleColdSeconds ?? source.idleColdSeconds,
    expiresAt: expiryAfter(now, request.ttlSeconds ?? null),
  };
}

function namesFor({ name, count }: ForkRequest): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => {
    if (name === undefined || count === 1) return name;
    return `${name}-${index + 1}`;
  });
}
