/** Finds sandboxes, and says so when there is none, or nothing left of it. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";

/** By id or name; another user's sandbox is as good as none. */
export function sandboxOf({ sandboxes }: Store, user: User, ref: string): SandboxRecord {
  const byId = sandboxes.byId(ref);
  const found = byId?.userId === user.id ? byId : sandboxes.byName(user.id, ref);
  if (!found) throw notFound();
  return found;
}

/** One on its way out is as good as none. */
export function requireSandbox({ sandboxes }: Store, id: string): SandboxRecord {
  const found = sandboxes.byId(id);
  if (!found || found.destroyRequestedAt !== null) throw notFound();
  return found;
}

export function diskGone({ name }: SandboxRecord): BhattiError {
  return new BhattiError("machine_failed", `The disk of sandbox "${name}" is missing`, {
    hint: `Destroy it: bhatti destroy ${name}`,
  });
}

function notFound(): BhattiError {
  return new BhattiError("sandbox_not_found", "sandbox not found");
}
