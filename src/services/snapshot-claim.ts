/** Reserves the name of a new snapshot within the user's limit: checks and row are one transaction. */
import { snapshotTraitsOf } from "../contract/sandbox-traits.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { SnapshotKind, SnapshotRecord } from "../store/snapshots.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { newSnapshotId } from "./identifiers.ts";

/** Errors: snapshot_exists, snapshot_limit. */
export function claimSnapshot(
  store: Store,
  user: User,
  sandbox: SandboxRecord,
  { name, kind }: { name: string; kind: SnapshotKind },
): SnapshotRecord {
  const snapshot: SnapshotRecord = {
    id: newSnapshotId(),
    userId: user.id,
    name,
    kind,
    status: "creating",
    sourceId: sandbox.id,
    sourceName: sandbox.name,
    imageDigest: sandbox.imageDigest,
    ...snapshotTraitsOf(sandbox),
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

function taken(name: string): BhattiError {
  return new BhattiError("snapshot_exists", `Snapshot "${name}" already exists`);
}
