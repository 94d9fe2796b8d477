/** Returns disk and memory use of a sandbox, and its running commands: current if its guest runs, else last known. Never wakes it. */
import { within } from "../async/deadline.ts";
import type { Logger } from "../observability/log.ts";
import type { LastKnown, Usage } from "./last-known.ts";
import type { SandboxActors } from "./sandbox-actor.ts";

export type { Usage };

export interface CurrentUsage extends Usage {
  /** Number of running commands, detached ones included; absent if the guest does not run. */
  commands?: number;
}

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
): Promise<CurrentUsage | undefined> {
  const actor = actors.peek(id);
  const machine = actor?.isExclusive ? undefined : actor?.machine;
  if (!machine?.isAwake) return lastKnown.usage(id);
  try {
    const measured = await within(measureMs, "Measuring its usage", undefined, async (signal) => {
      const guest = await machine.guest(signal);
      const [stats, { commands }] = await Promise.all([
        guest.stats(signal),
        guest.activity(signal),
      ]);
      return { ...stats, commands };
    });
    return { ...measured, at: new Date().toISOString() };
  } catch (error) {
    log.debug("cannot measure the usage of a sandbox", { sandbox: id, error });
    return lastKnown.usage(id);
  }
}
