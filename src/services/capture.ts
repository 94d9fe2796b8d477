/** Keeps what a sandbox is at this moment, for a snapshot or for its forks. */
import type { Engine, SnapshotFacts, SnapshotKind } from "../engine/engine.ts";
import type { Store } from "../store/store.ts";
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

const captureMs = 300_000;

/** The sandbox runs on; one without a process stays so. */
export async function capture(
  { store, engine, actors }: { store: Store; engine: Engine; actors: SandboxActors },
  { of, what, snapshot, kind }: Capture,
  signal: AbortSignal,
): Promise<SnapshotFacts> {
  return await actors.of(of).perform({
    what,
    milliseconds: captureMs,
    signal,
    work: async (until) => {
      const sandbox = requireSandbox(store, of);
      checkUsable(sandbox);
      const { engineId, cpus, memoryMB } = sandbox;
      if (engineId === null) throw diskGone(sandbox);
      return await engine.capture(engineId, { cpus, memoryMB }, snapshot, kind, until);
    },
  });
}
