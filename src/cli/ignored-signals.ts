/** Signals that were ignored when this process started, such as by nohup or by a shell for `command &` in a script. */
import type { Signal } from "./system.ts";

const numbers: Record<Signal, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGTERM: 15,
  SIGWINCH: 28,
};

/** `status` has the text of /proc/self/status, and nothing where there is none: then no signal counts as ignored. */
export function isIgnoredIn(status: string, signal: Signal): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(numbers[signal] - 1)) & 1n) === 1n;
}
