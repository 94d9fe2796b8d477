/** What a user may change about a sandbox, in one transaction. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { expiryAfter } from "./expiry.ts";
import { checkLabelCount } from "./sandbox-plan.ts";

/** What is absent stays as it is. */
export interface SandboxChangeRequest {
  name?: string | undefined;
  keepHot?: boolean | undefined;
  labelsAdd?: Record<string, string> | undefined;
  labelsRemove?: string[] | undefined;
  /** Null: as the daemon is set; 0: never. */
  idleWarmSeconds?: number | null | undefined;
  idleColdSeconds?: number | null | undefined;
  /** From now on; null and 0: it does not end by itself. */
  ttlSeconds?: number | null | undefined;
}

/** Errors: sandbox_not_found, name_taken, bad_request. */
export function editSandbox(
  store: Store,
  id: string,
  change: SandboxChangeRequest,
  now: number,
): SandboxRecord {
  return store.transaction(() => {
    const sandbox = store.sandboxes.byId(id);
    if (!sandbox || sandbox.destroyRequestedAt !== null) {
      throw new BhattiError("sandbox_not_found", "sandbox not found");
    }
    const labels = { ...sandbox.labels, ...change.labelsAdd };
    for (const key of change.labelsRemove ?? []) delete labels[key];
    checkLabelCount(labels);
    const { ttlSeconds } = change;
    const edited = {
      name: change.name ?? sandbox.name,
      keepHot: change.keepHot ?? sandbox.keepHot,
      labels,
      idleWarmSeconds: given(change.idleWarmSeconds, sandbox.idleWarmSeconds),
      idleColdSeconds: given(change.idleColdSeconds, sandbox.idleColdSeconds),
      expiresAt: ttlSeconds === undefined ? sandbox.expiresAt : expiryAfter(now, ttlSeconds),
    };
    try {
      store.sandboxes.edit(id, edited);
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause;
      const message = `name: you have another sandbox "${edited.name}"`;
      throw new BhattiError("name_taken", message, { cause });
    }
    return { ...sandbox, ...edited };
  });
}

function given<T>(wanted: T | undefined, before: T): T {
  return wanted === undefined ? before : wanted;
}
