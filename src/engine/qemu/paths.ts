/** Every file name of the engine, in one place, and the limit on a socket's path. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { BhattiError } from "../../errors/bhatti-error.ts";

/** sun_path of unix(7), less the final NUL. */
const socketPathLimit = 107;

export interface MachinePaths {
  /** Everything durable of the machine lies in here. */
  directory: string;
  /** Guest memory, mapped shared by the hypervisor. */
  ram: string;
  /** Folder of the root disk: its top and the layers below. */
  disk: string;
  /** The device state of a machine that is suspended. */
  state: string;
  /** The record of its saved state: written last when it is suspended, removed before it runs again. */
  suspension: string;
  /** Who runs it: pid, start time, hardware. Written when its guest is whole. */
  record: string;
  /** QEMU's own record of its pid. */
  pidFile: string;
  /** What the hypervisor itself said. */
  log: string;
  /** Its control socket. */
  qmp: string;
  /** The line to the agent. */
  agent: string;
  /** Everything in the runtime folder: gone after a reboot. */
  sockets: string;
}

export interface EnginePaths {
  machines: string;
  golden: string;
  snapshots: string;
  /** Where memory files are; with the machine's other files unless set apart (a tmpfs). */
  ram: string;
  cache: string;
  runtime: string;
}

export function enginePaths(dataDir: string, runtimeRoot: string, ramDir?: string): EnginePaths {
  // Two data directories never share a runtime folder, and the name stays short.
  const tag = createHash("sha256").update(dataDir).digest("hex").slice(0, 8);
  const machines = join(dataDir, "sandboxes");
  return {
    machines,
    golden: join(dataDir, "golden"),
    snapshots: join(dataDir, "snapshots"),
    ram: ramDir ? join(ramDir, `bhatti-${tag}`) : machines,
    cache: join(dataDir, "cache"),
    runtime: join(runtimeRoot, tag),
  };
}

export function machinePaths(engine: EnginePaths, id: string): MachinePaths {
  const directory = join(engine.machines, id);
  const sockets = join(engine.runtime, id);
  return {
    directory,
    ram: join(engine.ram, id, "ram"),
    disk: join(directory, "disk"),
    state: join(directory, "state"),
    suspension: join(directory, "suspension.json"),
    record: join(directory, "machine.json"),
    pidFile: join(directory, "qemu.pid"),
    log: join(directory, "qemu.log"),
    qmp: socketPath(sockets, "qmp"),
    agent: socketPath(sockets, "agent"),
    sockets,
  };
}

function socketPath(directory: string, name: string): string {
  const path = join(directory, name);
  if (Buffer.byteLength(path) > socketPathLimit) {
    throw new BhattiError(
      "host_unfit",
      `The socket path "${path}" has ${Buffer.byteLength(path)} bytes, the maximum is ${socketPathLimit}`,
      { hint: "Set XDG_RUNTIME_DIR to a shorter path" },
    );
  }
  return path;
}

/** A golden snapshot: a guest that stopped at "agent ready", kept to be cloned. */
export interface GoldenPaths {
  directory: string;
  ram: string;
  state: string;
  /** Folder of the root disk, with an empty top as clones start with; only when a root was mounted. */
  disk: string;
  /** Written last: without it the snapshot does not exist. */
  record: string;
  /** Of the guest that is being made into it. */
  pidFile: string;
  log: string;
}

export function goldenPaths(root: string, key: string): GoldenPaths {
  const directory = join(root, key);
  return {
    directory,
    ram: join(directory, "ram"),
    state: join(directory, "state"),
    disk: join(directory, "disk"),
    record: join(directory, "golden.json"),
    pidFile: join(directory, "qemu.pid"),
    log: join(directory, "qemu.log"),
  };
}

/** What is kept of a machine for others to be made from it. */
export interface SnapshotPaths {
  directory: string;
  ram: string;
  state: string;
  disk: string;
  /** Written last: without it the snapshot does not exist. */
  record: string;
}

export function snapshotPaths(engine: EnginePaths, id: string): SnapshotPaths {
  const directory = join(engine.snapshots, id);
  return {
    directory,
    ram: join(directory, "ram"),
    state: join(directory, "state"),
    disk: join(directory, "disk"),
    record: join(directory, "snapshot.json"),
  };
}
