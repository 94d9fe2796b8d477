/** Tells a guest that has slept who it is and what time it is, and only then lets its user processes go on. */
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import { faultPoint } from "../../async/fault-point.ts";

/** A guest that took the time later than this got one that is too old already. */
const promptMs = 40;
const attempts = 3;

export async function wakeGuest(
  guest: Guest,
  identity: GuestConfiguration,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const asked = performance.now();
    await guest.configure(attempt === 1 ? identity : {}, signal);
    if (performance.now() - asked < promptMs) break;
  }
  faultPoint("wake.configured");
  await guest.thaw(signal);
  faultPoint("wake.thawed");
}
