/** What a daemon's machines leave on the host: to compare before and after. */

import { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MachineDaemon } from "./machine-daemon.ts";

export interface Footprint {
  /** Arguments of every process that runs a machine of the data directory. */
  processes: string[];
  sockets: string[];
  files: string[];
  rows: number;
}

/** Without the golden snapshots, which are made in the background and meant to stay. */
export async function footprint(daemon: MachineDaemon): Promise<Footprint> {
  const sockets = await socketsOf(daemon);
  return {
    processes: await processesOf(daemon),
    sockets,
    files: await filesBelow(join(daemon.dataDir, "sandboxes")),
    rows: rowsIn(daemon.dataDir),
  };
}

async function processesOf(daemon: MachineDaemon): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.startsWith("qemu") && command.includes(`${daemon.dataDir}/sandboxes/`))
      found.push(command);
  }
  return found.sort();
}

async function socketsOf(daemon: MachineDaemon): Promise<string[]> {
  const tag = createHash("sha256").update(daemon.dataDir).digest("hex").slice(0, 8);
  const names = await readdir(join(daemon.runtimeDir, tag)).catch(() => []);
  return names.filter((name) => !name.startsWith("golden-")).sort();
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true }).catch(() => []);
  return entries.filter((entry) => entry !== ".trash").sort();
}

function rowsIn(dataDir: string): number {
  const database = new Database(join(dataDir, "bhatti.db"), { readonly: true });
  try {
    const row = database.query("SELECT count(*) AS n FROM sandboxes").get() as { n: number };
    return row.n;
  } finally {
    database.close();
  }
}
