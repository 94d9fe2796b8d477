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

/** As `sandboxOf`, but a sandbox whose destroy was requested counts as not found. */
export function presentSandboxOf(store: Store, user: User, ref: string): SandboxRecord {
  return present(sandboxOf(store, user, ref));
}

/** A sandbox whose destroy was requested counts as not found. */
export function requireSandbox({ sandboxes }: Store, id: string): SandboxRecord {
  return present(sandboxes.byId(id));
}

function present(sandbox: SandboxRecord | undefined): SandboxRecord {
  if (!sandbox || sandbox.destroyRequestedAt !== null) throw notFound();
  return sandbox;
}

export function diskGone({ name }: SandboxRecord): BhattiError {
  return new BhattiError("machine_failed", `The disk of sandbox "${name}" is missing`, {
    hint: `Destroy it: bhatti destroy ${name}`,
  });
}

function notFound(): BhattiError {
  return new BhattiError("sandbox_not_found", "sandbox not found");
}
