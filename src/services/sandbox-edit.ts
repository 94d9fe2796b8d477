/** What a user may change about a sandbox, in one transaction. */
import { BhattiError } from "../errors/bhatti-error.ts";
import { isUniqueViolation } from "../store/database.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { expiryAfter } from "./expiry.ts";
import { requireSandbox } from "./sandbox-lookup.ts";
import { checkLabelCount } from "./sandbox-plan.ts";

/** What is absent stays as it is. */
export interface SandboxChangeRequest {
  name?: string;
  keepHot?: boolean;
  labelsAdd?: Record<string, string>;
  labelsRemove?: string[];
  /** Null: as the daemon is set; 0: never. */
  idleWarmSeconds?: number | null;
  idleColdSeconds?: number | null;
  /** From now on; null and 0: it does not end by itself. */
  ttlSeconds?: number | null;
}

/** Errors: sandbox_not_found, name_taken, bad_request. */
export function editSandbox(
  store: Store,
  id: string,
  change: SandboxChangeRequest,
  now: number,
): SandboxRecord {
  const { labelsAdd, labelsRemove = [], ttlSeconds, ...plain } = change;
  return store.transaction(() => {
    const sandbox = requireSandbox(store, id);
    const labels = { ...sandbox.labels, ...labelsAdd };
    for (const key of labelsRemove) delete labels[key];
    checkLabelCount(labels);
    const expiresAt = ttlSeconds === undefined ? sandbox.expiresAt : expiryAfter(now, ttlSeconds);
    const edited = { ...sandbox, ...plain, labels, expiresAt };
    try {
      store.sandboxes.edit(id, edited);
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause;
      const message = `name: sandbox "${edited.name}" already exists`;
      throw new BhattiError("name_taken", message, { cause });
    }
    return edited;
  });
}
