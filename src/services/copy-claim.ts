/** Takes names for sandboxes that are made from another one, within the user's limits: all of them, or none. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { newSandboxId, newSandboxName } from "./identifiers.ts";
import { checkSandboxCount, checkSandboxSize } from "./quotas.ts";

/** What a copy is like: its source's values at the time. */
export type CopyModel = Pick<
  SandboxRecord,
  "image" | "imageDigest" | "cpus" | "memoryMB" | "diskSizeMB" | "env" | "init" | "labels"
>;

/** A name that is undefined is made up, beginning with `stem`. Errors: name_taken, sandbox_limit, quota_exceeded. */
export function claimCopies(
  store: Store,
  user: User,
  model: CopyModel,
  names: (string | undefined)[],
  stem: string,
): SandboxRecord[] {
  return store.transaction(() => {
    const limits = store.users.byId(user.id);
    if (!limits) throw new BhattiError("unauthorized", "invalid api key");
    checkSandboxSize(limits, model);
    return names.map((wanted) => {
      checkSandboxCount(limits, store.sandboxes.countOf(user.id));
      const sandbox = newRecord(user, model, wanted ?? freeName(store, user, stem));
      insert(store, sandbox);
      return sandbox;
    });
  });
}

function insert(store: Store, sandbox: SandboxRecord): void {
  try {
    store.sandboxes.insert(sandbox);
  } catch (cause) {
    if (!isUniqueViolation(cause)) throw cause;
    const message = `name: you have a sandbox "${sandbox.name}" already`;
    throw new BhattiError("name_taken", message, { cause });
  }
}

function freeName(store: Store, user: User, stem: string): string {
  for (;;) {
    const name = newSandboxName(stem);
    if (!store.sandboxes.byName(user.id, name)) return name;
  }
}

function newRecord(user: User, model: CopyModel, name: string): SandboxRecord {
  const { image, imageDigest, cpus, memoryMB, diskSizeMB, env, init, labels } = model;
  return {
    id: newSandboxId(),
    userId: user.id,
    name,
    templateId: null,
    status: "creating",
    statusReason: null,
    engineId: null,
    ...{ image, imageDigest, cpus, memoryMB, diskSizeMB, env, init, labels },
    keepHot: false,
    thermal: "hot",
    idleWarmSeconds: null,
    idleColdSeconds: null,
    expiresAt: null,
    lastActiveAt: null,
    createdAt: new Date().toISOString(),
    stoppedAt: null,
    destroyRequestedAt: null,
  };
}
