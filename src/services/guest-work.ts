/** Whether a guest does something of its own accord, judged by what it has used up between two looks at it. */
import type { GuestActivity } from "../agent/guest.ts";

export interface Look {
  /** Milliseconds of a clock that does not jump. */
  at: number;
  activity: GuestActivity;
}

/** Of one processor: timers and sleeping loops of an idle program stay below it, also when they are emulated. */
const busyShare = 0.05;
/** Bytes a second: what neighbours and keep-alives send stays below it. */
const busyNetwork = 1000;

/** What it was seen doing; undefined when nothing, or when there is nothing to compare with. */
export function workSeen(before: Look | undefined, now: Look): string | undefined {
  const { commands } = now.activity;
  if (commands > 0) return commands === 1 ? "ran a command" : `ran ${commands} commands`;
  if (!before) return undefined;
  const ms = Math.max(now.at - before.at, 1);
  const share = (now.activity.cpuMicroseconds - before.activity.cpuMicroseconds) / 1000 / ms;
  if (share >= busyShare) return `used ${Math.round(share * 100)} % CPU`;
  const bytes = Math.abs(now.activity.networkBytes - before.activity.networkBytes);
  return bytes / ms >= busyNetwork / 1000 ? "network traffic" : undefined;
}
