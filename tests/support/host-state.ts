/** Whether rows, processes, files and sockets of a daemon tell the same story. */
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { socketFolder } from "../../scripts/testing/leftovers.ts";
import type { MachineDaemon } from "./machine-daemon.ts";

interface SandboxRow {
  id: string;
  engine_id: string | null;
  status: string;
  thermal: string | null;
}

interface SnapshotRow {
  id: string;
  status: string;
}

interface OperationRow {
  id: string;
  kind: string;
  state: string;
}

export interface MachineProcess {
  pid: number;
  machine: string;
}

/** Every contradiction, in words; none when the daemon has cleaned up after the one before. */
export function contradictions(daemon: MachineDaemon): string[] {
  const rows = rowsOf<SandboxRow>(daemon, "SELECT id, engine_id, status, thermal FROM sandboxes");
  return [
    ...aboutProcesses(daemon, rows),
    ...aboutLinks(daemon),
    ...aboutFiles(daemon, rows),
    ...aboutSnapshots(daemon, rowsOf(daemon, "SELECT id, status FROM snapshots")),
    ...rowsOf<OperationRow>(
      daemon,
      "SELECT id, kind, state FROM operations WHERE ended_at IS NULL",
    ).map(({ id, kind, state }) => `operation ${id} (${kind}) is ${state} though nothing runs it`),
  ];
}

/** The QEMUs of its sandboxes; those that make golden snapshots are not among them. */
export function machineProcesses(daemon: MachineDaemon): MachineProcess[] {
  const folder = join(daemon.dataDir, "sandboxes");
  return readdirSync("/proc").flatMap((pid) => {
    const command = /^\d+$/.test(pid) ? textOf(`/proc/${pid}/cmdline`) : "";
    const machine = command.split(`${folder}/`)[1]?.split("/")[0];
    return command.startsWith("qemu") && machine ? [{ pid: Number(pid), machine }] : [];
  });
}

/** A tap for each QEMU, and a bridge only with taps; nothing in a run without a network namespace of its own. */
function aboutLinks(daemon: MachineDaemon): string[] {
  const [host] = rowsOf<{ id: string }>(daemon, "SELECT id FROM host");
  const prefix = `bh${host?.id.slice("host_".length, "host_".length + 4)}`;
  const links = textOf("/proc/self/net/dev").match(new RegExp(`\\b${prefix}\\w+`, "g")) ?? [];
  const taps = new Set(links.filter((link) => link.startsWith(`${prefix}t`)));
  const bridges = links.filter((link) => link.startsWith(`${prefix}b`));
  const machines = machineProcesses(daemon).map(
    ({ machine }) => `${prefix}t${machine.slice(0, 8)}`,
  );
  const hasNetworks = process.env["BHATTI_TEST_NETNS"] !== undefined;
  return [
    ...[...taps]
      .filter((tap) => !machines.includes(tap))
      .map((tap) => `interface ${tap} has no QEMU`),
    ...machines.filter((tap) => hasNetworks && !taps.has(tap)).map((tap) => `there is no ${tap}`),
    ...(machines.length === 0 ? bridges.map((bridge) => `${bridge} has no machine`) : []),
  ];
}

function aboutProcesses(daemon: MachineDaemon, rows: SandboxRow[]): string[] {
  const processes = machineProcesses(daemon);
  const running = new Set(processes.map(({ machine }) => machine));
  const known = new Set(rows.map((row) => row.engine_id));
  const sockets = namesIn(socketFolder(daemon.dataDir)).filter((name) =>
    /^[0-9a-f]{16}$/.test(name),
  );
  return [
    ...processes.flatMap(({ pid, machine }) => {
      const written = textOf(join(daemon.dataDir, "sandboxes", machine, "qemu.pid")).trim();
      if (written !== String(pid))
        return [`QEMU ${pid} is not the one of its pid file (${written})`];
      return known.has(machine) ? [] : [`QEMU ${pid} runs machine ${machine}, which has no row`];
    }),
    ...rows.flatMap(({ id, engine_id, status, thermal }) => {
      const hasProcess = engine_id !== null && running.has(engine_id);
      const what = `sandbox ${id} is ${status} and ${thermal}`;
      if (status === "creating") return [`${what} though nobody creates it`];
      const isHot = status === "running" && thermal !== "cold";
      return isHot === hasProcess
        ? []
        : [`${what}, and ${hasProcess ? "a" : "no"} process runs it`];
    }),
    ...sockets
      .filter((machine) => !running.has(machine))
      .map((machine) => `the sockets of machine ${machine} are left, which does not run`),
  ];
}

function aboutFiles(daemon: MachineDaemon, rows: SandboxRow[]): string[] {
  const folder = join(daemon.dataDir, "sandboxes");
  const known = new Set(rows.map((row) => row.engine_id ?? "none"));
  const there = namesIn(folder).filter((name) => name !== ".trash");
  return [
    ...there
      .filter((name) => !known.has(name))
      .map((name) => `the files of machine ${name} are left`),
    ...[...known]
      .filter((name) => !there.includes(name))
      .map((name) => `machine ${name} has no files`),
    ...namesIn(join(folder, ".trash")).map((name) => `${name} is left in the trash`),
  ];
}

function aboutSnapshots(daemon: MachineDaemon, rows: SnapshotRow[]): string[] {
  const folder = join(daemon.dataDir, "snapshots");
  const known = new Set(rows.map(({ id }) => id));
  return [
    ...namesIn(folder)
      .filter((name) => !known.has(name))
      .map((name) => `the files of snapshot ${name} are left`),
    ...rows.flatMap(({ id, status }) => {
      if (status !== "ready") return [`snapshot ${id} is ${status}`];
      return existsSync(join(folder, id, "snapshot.json")) ? [] : [`snapshot ${id} has no files`];
    }),
  ];
}

function rowsOf<T>({ dataDir }: MachineDaemon, query: string): T[] {
  using database = new Database(join(dataDir, "bhatti.db"), { readonly: true });
  return database.query(query).all() as T[];
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
