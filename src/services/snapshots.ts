/** Snapshots: what is kept of a sandbox under a name, and the sandboxes that are made from it. */
import { faultPoint } from "../async/fault-point.ts";
import type { Engine } from "../engine/engine.ts";
import { BhattiError, isBhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { SnapshotKind, SnapshotRecord } from "../store/snapshots.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { capture } from "./capture.ts";
import { newSnapshotId } from "./identifiers.ts";
import type { SandboxActors } from "./sandbox-actor.ts";
import type { SandboxCopies } from "./sandbox-copies.ts";
import type { Sandboxes } from "./sandboxes.ts";

export type { SnapshotRecord };

export interface SnapshotsOptions {
  store: Store;
  engine: Engine;
  actors: SandboxActors;
  sandboxes: Sandboxes;
  copies: SandboxCopies;
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
  async create(
    user: User,
    sandboxRef: string,
    request: { name: string; kind: SnapshotKind },
    signal: AbortSignal,
  ): Promise<SnapshotRecord> {
    const { sandboxes, store, events, log } = this.#options;
    const sandbox = sandboxes.get(user, sandboxRef);
    const snapshot = this.#claim(user, sandbox, request);
    try {
      faultPoint("snapshot.claimed");
      const what = `Making snapshot "${snapshot.name}"`;
      const order = { of: sandbox.id, what, snapshot: snapshot.id, kind: snapshot.kind };
      const facts = await capture(this.#options, order, signal);
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
      log.debug("snapshot made", { sandbox: sandbox.id, snapshot: snapshot.id, ...meta });
      const whose = { userId: user.id, sandboxId: sandbox.id };
      events.record({ type: "snapshot.created", ...whose, meta });
      return { ...snapshot, status: "ready", sizeMB, pausedMs };
    } catch (error) {
      // The files go first: on a disk that is full they make the room that the row's removal needs.
      await this.#removeFiles(snapshot.id);
      try {
        store.snapshots.delete(snapshot.id);
      } catch (cause) {
        log.error("a snapshot that failed keeps its name until the next start", {
          snapshot: snapshot.id,
          error: cause,
        });
      }
      throw error;
    } finally {
      sandboxes.watch(sandbox.id);
    }
  }

  list(user: User): SnapshotRecord[] {
    return this.#options.store.snapshots.ofUser(user.id).filter(isReady);
  }

  /** By id or name; another user's is as good as none. */
  get(user: User, ref: string): SnapshotRecord {
    const { snapshots } = this.#options.store;
    const byId = snapshots.byId(ref);
    const found = byId?.userId === user.id ? byId : snapshots.byName(user.id, ref);
    if (found && isReady(found)) return found;
    throw new BhattiError("snapshot_not_found", "snapshot not found");
  }

  /** Sandboxes that were made from it stay. Errors: snapshot_not_found, snapshot_in_use. */
  async delete(user: User, ref: string): Promise<void> {
    const { store, events } = this.#options;
    const { id, name } = this.get(user, ref);
    if (this.#uses.values().some(({ snapshot }) => snapshot === id)) {
      throw new BhattiError("snapshot_in_use", `A sandbox is being made from snapshot "${name}"`);
    }
    // The row goes first: files without a row are removed at the next start, a row without files would stay broken.
    try {
      store.snapshots.delete(id);
    } catch (error) {
      if (!isBhattiError(error, "disk_full")) throw error;
      await this.#removeFiles(id); // which makes room
      store.snapshots.delete(id);
    }
    faultPoint("snapshot.row-gone");
    await this.#removeFiles(id);
    events.record({ type: "snapshot.deleted", userId: user.id, meta: { name } });
  }

  /** A new sandbox that is as the old one was then: its processes, its memory, its disk, but its own name. */
  async resume(
    user: User,
    ref: string,
    request: { name?: string | undefined },
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    const snapshot = this.get(user, ref);
    using _ = this.#use(snapshot);
    const made = await this.#options.copies.makeFrom(user, snapshot, request.name, signal);
    const meta = { snapshot: snapshot.name, name: made.name };
    const whose = { userId: user.id, sandboxId: made.id };
    this.#options.events.record({ type: "snapshot.resumed", ...whose, meta });
    return made;
  }

  /** The sandbox is what it was then: what it has become since is gone. */
  async restore(
    user: User,
    ref: string,
    sandboxRef: string,
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    const { sandboxes, copies, events } = this.#options;
    const snapshot = this.get(user, ref);
    const sandbox = sandboxes.get(user, sandboxRef);
    if (snapshot.sourceId !== sandbox.id) {
      throw new BhattiError(
        "bad_request",
        `sandbox: snapshot "${snapshot.name}" was made of "${snapshot.sourceName}" (${snapshot.sourceId}), only that can be put back (got "${sandbox.name}")`,
        { hint: `Make a new sandbox from it: bhatti snapshot resume ${snapshot.name}` },
      );
    }
    using _ = this.#use(snapshot);
    const restored = await copies.replaceMachine(sandbox, snapshot.id, signal);
    const whose = { userId: user.id, sandboxId: sandbox.id };
    events.record({ type: "snapshot.restored", ...whose, meta: { snapshot: snapshot.name } });
    return restored;
  }

  /** After a start: what was cut short, and files that no row refers to. */
  async recover(): Promise<void> {
    const { store, engine, log } = this.#options;
    const found = await engine.snapshots();
    const known = new Set<string>();
    for (const { id, name, status } of store.snapshots.all()) {
      if (status === "ready") known.add(id);
      else {
        await this.#removeFiles(id);
        store.snapshots.delete(id);
        log.warn("removed a snapshot that was cut short", { snapshot: id, name });
      }
    }
    for (const { id, isOwn } of found) {
      if (known.has(id)) continue;
      if (isOwn) await this.#removeFiles(id);
      else
        log.warn("keeping a snapshot that another host or an earlier version made", {
          snapshot: id,
        });
    }
  }

  async #removeFiles(id: string): Promise<void> {
    const { engine, log } = this.#options;
    await engine.removeSnapshot(id).catch((error: unknown) => {
      log.error("a snapshot's files were not removed", { snapshot: id, error });
    });
  }

  #claim(
    user: User,
    sandbox: SandboxRecord,
    { name, kind }: { name: string; kind: SnapshotKind },
  ): SnapshotRecord {
    const { store } = this.#options;
    const snapshot: SnapshotRecord = {
      id: newSnapshotId(),
      userId: user.id,
      name,
      kind,
      status: "creating",
      sourceId: sandbox.id,
      sourceName: sandbox.name,
      image: sandbox.image,
      imageDigest: sandbox.imageDigest,
      cpus: sandbox.cpus,
      memoryMB: sandbox.memoryMB,
      diskSizeMB: sandbox.diskSizeMB,
      env: sandbox.env,
      init: sandbox.init,
      labels: sandbox.labels,
      sizeMB: 0,
      pausedMs: 0,
      createdAt: new Date().toISOString(),
    };
    store.transaction(() => {
      if (store.snapshots.byName(user.id, name)) throw taken(name);
      const limit = store.users.byId(user.id)?.maxSnapshots ?? 0;
      const count = store.snapshots.countOf(user.id);
      if (count >= limit) {
        throw new BhattiError("snapshot_limit", `snapshot limit reached (${count}/${limit})`);
      }
      try {
        store.snapshots.insert(snapshot);
      } catch (error) {
        throw isUniqueViolation(error) ? taken(name) : error;
      }
    });
    return snapshot;
  }

  /** Its files stay until the use is disposed of. */
  #use({ id }: SnapshotRecord): Disposable {
    const use = { snapshot: id };
    this.#uses.add(use);
    return { [Symbol.dispose]: () => void this.#uses.delete(use) };
  }
}

function isReady({ status }: SnapshotRecord): boolean {
  return status === "ready";
}

function taken(name: string): BhattiError {
  return new BhattiError("snapshot_exists", `Snapshot "${name}" already exists`);
}
