/** Keeps what a sandbox is at this moment, for a snapshot or for its forks. */
import { within } from "../async/deadline.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Engine, SnapshotFacts, SnapshotKind } from "../engine/engine.ts";
import type { Logger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import type { Operation } from "./operation.ts";
import type { SandboxActors } from "./sandbox-actor.ts";
import { diskGone, requireSandbox } from "./sandbox-lookup.ts";
import { checkUsable } from "./sandbox-states.ts";

export interface Capture {
  /** The sandbox's id. */
  of: string;
  /** For messages, such as `Forking sandbox "dev"`. */
  what: string;
  /** What the engine keeps it under. */
  snapshot: string;
  kind: SnapshotKind;
}

/** The sandbox runs on; one without a process stays so. */
export async function capture(
  { store, engine, actors }: { store: Store; engine: Engine; actors: SandboxActors },
  { of, what, snapshot, kind }: Capture,
  operation: Operation,
): Promise<SnapshotFacts> {
  return await actors.of(of).perform({
    what,
    milliseconds: stepMs.capture(requireSandbox(store, of).memoryMB),
    signal: operation.signal,
    work: async (until) => {
      const sandbox = requireSandbox(store, of);
      operation.start();
      operation.report("copying memory and disk");
      checkUsable(sandbox);
      const { engineId, cpus, memoryMB } = sandbox;
      if (engineId === null) throw diskGone(sandbox);
      return await engine.capture(engineId, { cpus, memoryMB }, snapshot, kind, until);
    },
  });
}

/** Never fails: files that cannot be removed are logged, and removed at the next start. */
export async function removeCapture(
  { engine, log }: { engine: Pick<Engine, "removeSnapshot">; log: Logger },
  id: string,
  milliseconds: number = stepMs.destroy,
): Promise<void> {
  try {
    const what = "Removing the files of a snapshot";
    await within(milliseconds, what, undefined, () => engine.removeSnapshot(id));
  } catch (error) {
    log.error("cannot remove the files of a snapshot", { snapshot: id, error });
  }
}
