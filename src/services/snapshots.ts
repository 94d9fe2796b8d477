/** Snapshots: what is kept of a sandbox under a name, and the sandboxes that are made from it. */
import { faultPoint } from "../async/fault-point.ts";
import type { Engine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { ListedSnapshot, SnapshotKind, SnapshotRecord } from "../store/snapshots.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { capture, removeCapture } from "./capture.ts";
import type { Accepted, Operation } from "./operation.ts";
import type { Operations } from "./operations.ts";
import type { SandboxActors } from "./sandbox-actor.ts";
import type { SandboxCopies } from "./sandbox-copies.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { claimSnapshot } from "./snapshot-claim.ts";

export type { ListedSnapshot, SnapshotRecord };

export interface SnapshotsOptions {
  store: Store;
  engine: Engine;
  actors: SandboxActors;
  sandboxes: Sandboxes;
  copies: SandboxCopies;
  operations: Operations;
  events: EventSink;
  log: Logger;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** One for each machine that is being made. */
  readonly #uses = new Set<{ snapshot: string }>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Errors: snapshot_exists, snapshot_limit, and what `capture` says. */
  create(
    user: User,
    sandboxRef: string,
    request: { name: string; kind: SnapshotKind },
    caller: AbortSignal | undefined,
  ): Accepted<SnapshotRecord> {
    const { sandboxes, store, operations, actors } = this.#options;
    const sandbox = sandboxes.get(user, sandboxRef);
    const { snapshot, operation } = store.transaction(() => {
      const snapshot = claimSnapshot(store, user, sandbox, request);
      const { id, name } = snapshot;
      const operation = operations.accept({
        kind: "snapshot.create",
        userId: user.id,
        target: { kind: "snapshot", id, name },
        size: sandbox,
        isPending: actors.of(sandbox.id).isBusy,
      });
      return { snapshot, operation };
    });
    return operation.run(
      caller,
      () => this.#make(user, sandbox, snapshot, operation),
      ({ id, name, sizeMB }) => ({ snapshot: { id, name, size_mb: sizeMB } }),
    );
  }

  async #make(
    user: User,
    sandbox: SandboxRecord,
    snapshot: SnapshotRecord,
    operation: Operation,
  ): Promise<SnapshotRecord> {
    const { sandboxes, store, events, log } = this.#options;
    try {
      faultPoint("snapshot.claimed");
      const what = `Creating snapshot "${snapshot.name}"`;
      const order = { of: sandbox.id, what, snapshot: snapshot.id, kind: snapshot.kind };
      const facts = await capture(this.#options, order, operation);
      faultPoint("snapshot.captured");
      const sizeMB = Math.ceil(facts.bytes / 1024 / 1024);
      const pausedMs = Math.round(facts.pausedMs * 10) / 10;
      store.snapshots.finish(snapshot.id, { sizeMB, pausedMs });
      faultPoint("snapshot.stored");
      const meta = {
        name: snapshot.name,
        kind: snapshot.kind,
        size_mb: sizeMB,
        paused_ms: pausedMs,
      };
      log.debug("snapshot created", { sandbox: sandbox.id, snapshot: snapshot.id, ...meta });
      const whose = { userId: user.id, sandboxId: sandbox.id };
      events.record({ type: "snapshot.created", ...whose, meta });
      return { ...snapshot, status: "ready", sizeMB, pausedMs };
    } catch (error) {
      // The files go first: on a disk that is full they make the room that the row's removal needs.
      await removeCapture(this.#options, snapshot.id);
      try {
        store.snapshots.delete(snapshot.id);
      } catch (cause) {
        log.error("cannot remove a failed snapshot; its name stays taken until the next start", {
          snapshot: snapshot.id,
          error: cause,
        });
      }
      throw error;
    } finally {
      sandboxes.watch(sandbox.id);
    }
  }

  list(user: User): ListedSnapshot[] {
    return this.#options.store.snapshots.ofUser(user.id).filter(isReady);
  }

  /** By id or name; another user's is as good as none. */
  get(user: User, ref: string): SnapshotRecord {
    const { snapshots } = this.#options.store;
    const byId = snapshots.byId(ref);
    const found = byId?.userId === user.id ? byId : snapshots.byName(user.id, ref);
    if (found && isReady(found)) return found;
    throw new BhattiError("snapshot_not_found", `Snapshot "${ref}" not found`);
  }

  /** Sandboxes that were made from it stay. Errors: snapshot_not_found, snapshot_in_use. */
  async delete(user: User, ref: string): Promise<void> {
    const { store, events } = this.#options;
    const { id, name } = this.get(user, ref);
    if (this.#uses.values().some(({ snapshot }) => snapshot === id)) {
      throw new BhattiError(
        "snapshot_in_use",
        `Snapshot "${name}" is in use: a sandbox is being created from it`,
      );
    }
    // The row goes first: files without a row are removed at the next start, a row without files would stay broken.
    try {
      store.snapshots.delete(id);
    } catch (error) {
      if (!isBhattiError(error, "disk_full")) throw error;
      await removeCapture(this.#options, id); // which makes room
      store.snapshots.delete(id);
    }
    faultPoint("snapshot.row-gone");
    await removeCapture(this.#options, id);
    events.record({ type: "snapshot.deleted", userId: user.id, meta: { name } });
  }

  /** A new sandbox that is as the old one was then: its processes, its memory, its disk, but its own name. */
  resume(
    user: User,
    ref: string,
    request: { name?: string | undefined },
    caller: AbortSignal | undefined,
  ): Accepted<SandboxRecord> {
    const { copies, events, operations, store } = this.#options;
    const snapshot = this.get(user, ref);
    const { claimed, operation } = store.transaction(() => {
      const claimed = copies.claim(user, snapshot, request.name);
      const { id, name } = claimed;
      const operation = operations.accept({
        kind: "snapshot.resume",
        userId: user.id,
        target: { kind: "sandbox", id, name },
        size: snapshot,
      });
      return { claimed, operation };
    });
    const work = async () => {
      using _ = this.#use(snapshot);
      operation.report(`creating the VM from snapshot "${snapshot.name}"`);
      const made = await copies.makeClaimed(claimed, snapshot.id, operation.signal);
      const meta = { snapshot: snapshot.name, name: made.name };
      const whose = { userId: user.id, sandboxId: made.id };
      events.record({ type: "snapshot.resumed", ...whose, meta });
      return made;
    };
    return operation.run(caller, work, ({ id, name }) => ({ sandboxes: [{ id, name }] }));
  }

  /** The sandbox is what it was then: what it has become since is gone. */
  restore(
    user: User,
    ref: string,
    sandboxRef: string,
    caller: AbortSignal | undefined,
  ): Accepted<SandboxRecord> {
    const { sandboxes, copies, events, operations, actors } = this.#options;
    const snapshot = this.get(user, ref);
    const sandbox = sandboxes.get(user, sandboxRef);
    if (snapshot.sourceId !== sandbox.id) {
      throw new BhattiError(
        "bad_request",
        `sandbox: must be the source of snapshot "${snapshot.name}", "${snapshot.sourceName}" (${snapshot.sourceId}) (got "${sandbox.name}")`,
        { hint: `Create a sandbox from it: bhatti snapshot resume ${snapshot.name}` },
      );
    }
    const { id, name, engineId } = sandbox;
    const operation = operations.accept({
      kind: "snapshot.restore",
      userId: user.id,
      target: { kind: "sandbox", id, name },
      size: sandbox,
      isPending: actors.of(id).isBusy,
      before: { engineId },
    });
    const work = async () => {
      using _ = this.#use(snapshot);
      const restored = await copies.replaceMachine(sandbox, snapshot.id, operation);
      const whose = { userId: user.id, sandboxId: id };
      events.record({ type: "snapshot.restored", ...whose, meta: { snapshot: snapshot.name } });
      return restored;
    };
    return operation.run(caller, work, () => ({ sandboxes: [{ id, name }] }));
  }

  /** After a start: what was cut short, and files that no row refers to. */
  async recover(): Promise<void> {
    const { store, engine, log } = this.#options;
    const found = await engine.snapshots();
    const known = new Set<string>();
    for (const { id, name, status } of store.snapshots.all()) {
      if (status === "ready") known.add(id);
      else {
        await removeCapture(this.#options, id);
        store.snapshots.delete(id);
        log.warn("removed a partial snapshot", { snapshot: id, name });
      }
    }
    for (const { id, isOwn } of found) {
      if (known.has(id)) continue;
      if (isOwn) await removeCapture(this.#options, id);
      else
        log.warn("keeping a snapshot created by another host or an earlier version", {
          snapshot: id,
        });
    }
  }

  /** Its files stay until the use is disposed of. */
  #use({ id }: SnapshotRecord): Disposable {
    const use = { snapshot: id };
    this.#uses.add(use);
    return { [Symbol.dispose]: () => void this.#uses.delete(use) };
  }
}

function isReady({ status }: ListedSnapshot): boolean {
  return status === "ready";
}
