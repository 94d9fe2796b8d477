/** How long each job took: the longest are started first, so that all lanes end at about the same time. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Job } from "./jobs.ts";

/** Seconds by name. */
export type Times = Readonly<Record<string, number>>;

/** A job that has never run is started before most, as it may take long. */
const unknown = 20;

export function readTimes(...paths: string[]): Times {
  return Object.assign({}, ...paths.map(read));
}

function read(path: string): Times {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // There is none before the first run. A damaged one only costs balance.
    return {};
  }
}

export function writeTimes(path: string, times: Times): void {
  const sorted = Object.entries(times).sort(([a], [b]) => (a < b ? -1 : 1));
  const rounded = sorted.map(([name, seconds]) => [name, Math.round(seconds * 10) / 10]);
  writeFileSync(path, `${JSON.stringify(Object.fromEntries(rounded), null, 2)}\n`);
}

export function longestFirst(jobs: readonly Job[], times: Times): Job[] {
  const time = ({ name }: Job) => times[name] ?? unknown;
  return jobs.toSorted((a, b) => time(b) - time(a));
}
