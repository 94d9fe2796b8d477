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

/** Idempotent: only whoever removes the row tells of it. */
export function undoClaim(parts: ClaimParts, sandbox: SandboxRecord, error: unknown): void {
  const { store, actors, events, log } = parts;
  if (!store.sandboxes.delete(sandbox.id)) return;
  actors.forget(sandbox.id);
  log.warn("sandbox not created", { sandbox: sandbox.id, name: sandbox.name, error });
  events.record({
    type: "sandbox.create_failed",
    userId: sandbox.userId,
    sandboxId: sandbox.id,
    meta: { name: sandbox.name, image: sandbox.image, error: messageOf(error) },
  });
}
