/** What a daemon's machines leave on the host: to compare before and after. */

import { Database } from "bun:sqlite";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { socketFolder } from "../../scripts/testing/leftovers.ts";
import type { MachineDaemon } from "./machine-daemon.ts";
import { until } from "./until.ts";

export interface Footprint {
  /** Arguments of every QEMU that has to do with the data directory or its sockets. */
  processes: string[];
  sockets: string[];
  files: string[];
  rows: number;
}

/** Golden snapshots are made in the background and meant to stay: it looks when none is being made. */
export async function footprint(daemon: MachineDaemon): Promise<Footprint> {
  const isQuiet = async () => !(await isBuildingGolden(daemon));
  for (;;) {
    await until("no golden snapshot is being made", isQuiet);
    const found = {
      processes: await processesOf(daemon),
      sockets: await socketsOf(daemon),
      files: await filesBelow(join(daemon.dataDir, "sandboxes")),
      rows: rowsIn(daemon.dataDir),
    };
    if (await isQuiet()) return found;
  }
}

/** The folder of its sockets is there before its QEMU, and goes after it. */
async function isBuildingGolden(daemon: MachineDaemon): Promise<boolean> {
  // Without a daemon nobody builds: what is left is what we look for.
  if (daemon.pid < 0) return false;
  const names = await readdir(socketFolder(daemon.dataDir)).catch(() => []);
  return names.some((name) => name.startsWith("golden-"));
}

async function processesOf(daemon: MachineDaemon): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const isOurs =
      command.includes(`${daemon.dataDir}/`) || command.includes(socketFolder(daemon.dataDir));
    if (command.startsWith("qemu") && isOurs) found.push(command.replaceAll("\0", " "));
  }
  return found.sort();
}

async function socketsOf(daemon: MachineDaemon): Promise<string[]> {
  return (await readdir(socketFolder(daemon.dataDir)).catch(() => [])).sort();
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
