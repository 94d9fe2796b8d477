/** What processes cost the host, from /proc. */
import { readFile } from "node:fs/promises";

const ticksPerSecond = 100;
const watchSeconds = 5;

/** Megabytes and percent of one CPU, summed over the processes. */
export async function idleMemory(pids: number[]) {
  const before = await cpuTicks(pids);
  await Bun.sleep(watchSeconds * 1000);
  const ticks = (await cpuTicks(pids)) - before;
  let resident = 0;
  let proportional = 0;
  for (const pid of pids) {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
    resident += kilobytes(rollup, "Rss");
    proportional += kilobytes(rollup, "Pss");
  }
  return {
    resident: Math.round(resident / 1024),
    proportional: Math.round(proportional / 1024),
    cpuPercent: (ticks / ticksPerSecond / watchSeconds) * 100,
  };
}

export async function residentMB(pid: number): Promise<number> {
  return kilobytes(await readFile(`/proc/${pid}/smaps_rollup`, "utf8"), "Rss") / 1024;
}

function kilobytes(rollup: string, field: string): number {
  return Number(rollup.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"))?.[1] ?? Number.NaN);
}

async function cpuTicks(pids: number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks;
}
