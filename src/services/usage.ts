/** Returns disk and memory use of a sandbox: current if its guest runs, else last known. Never wakes it. */
import { within } from "../async/deadline.ts";
import type { Logger } from "../observability/log.ts";
import type { LastKnown, Usage } from "./last-known.ts";
import type { SandboxActors } from "./sandbox-actor.ts";

export type { Usage };

export interface UsageOptions {
  actors: SandboxActors;
  lastKnown: LastKnown;
  log: Logger;
}

const measureMs = 1000;

/** Undefined when it was never measured. */
export async function currentUsage(
  { actors, lastKnown, log }: UsageOptions,
  id: string,
): Promise<Usage | undefined> {
  const actor = actors.peek(id);
  const machine = actor?.isExclusive ? undefined : actor?.machine;
  if (!machine?.isAwake) return lastKnown.usage(id);
  try {
    const stats = await within(measureMs, "Measuring its usage", undefined, async (signal) =>
      (await machine.guest(signal)).stats(signal),
    );
    return { ...stats, at: new Date().toISOString() };
  } catch (error) {
    log.debug("cannot measure the usage of a sandbox", { sandbox: id, error });
    return lastKnown.usage(id);
  }
}
