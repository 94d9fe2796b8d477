/** Names the process that does some work, for other processes on the same data directory. */
import { isAlive, startTimeOf } from "./process.ts";

/** There is one daemon at most, by its lock. */
export const daemonRunner = "daemon";

/** This process, when it is not the daemon. */
export function processRunner(): string {
  return `process ${process.pid} ${startTimeOf(process.pid)}`;
}

/** Whether that process still runs; the daemon's earlier runs do not, to a daemon. */
export function isRunning(runner: string): boolean {
  const [, pid, startTime] = runner.match(/^process (\d+) (\d+)$/) ?? [];
  return isAlive({ pid: Number(pid ?? 0), startTime: Number(startTime ?? 0) });
}
