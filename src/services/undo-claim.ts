/** Gives back what was claimed for a sandbox that could not be made. */
import { messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { SandboxActors } from "./sandbox-actor.ts";

export interface ClaimParts {
  store: Store;
  actors: SandboxActors;
  events: EventSink;
  log: Logger;
}

/** Idempotent: only the call that removes the row records the failure. Never throws, so that `error` is reported. */
export function undoClaim(parts: ClaimParts, sandbox: SandboxRecord, error: unknown): void {
  const { store, actors, events, log } = parts;
  const { id, name, userId, image } = sandbox;
  try {
    if (!store.sandboxes.delete(id)) return;
  } catch (cause) {
    // A destroy removes it, or the next start.
    log.error("cannot remove a sandbox that was not created", { sandbox: id, error: cause });
    return;
  }
  actors.forget(id);
  log.warn("sandbox not created", { sandbox: id, name, error });
  const meta = { name, image, error: messageOf(error) };
  events.record({ type: "sandbox.create_failed", userId, sandboxId: id, meta });
}
