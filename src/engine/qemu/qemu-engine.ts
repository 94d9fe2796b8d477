/** The engine on QEMU: what services ask for, and who runs. How a machine is made is the provisioner's business. */
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { chainOf } from "../../disks/chain.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { DiskReserve } from "../../host/disk-reserve.ts";
import { diskSpaceOf, megabytes } from "../../host/disk-space.ts";
import type { NicHost } from "../../network/host-networks.ts";
import type {
  Engine,
  EngineFeatures,
  Listed,
  Machine,
  MachineState,
  SnapshotFacts,
  SnapshotKind,
} from "../engine.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { Hardware, MachineSpec, RootImage } from "../machine-spec.ts";
import type { AcceleratorChoice } from "./accelerator.ts";
import { adoptMachine } from "./adopt.ts";
import { captureRunning, captureWithoutProcess } from "./capture.ts";
import { deadlineMs } from "./deadlines.ts";
import { asEngineError } from "./engine-error.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import { isOwnedBy, unfinishedPrefix } from "./owned-folder.ts";
import { type EnginePaths, enginePaths, machinePaths } from "./paths.ts";
import { type PreparedPlatform, preparePlatform } from "./platform.ts";
import { Provisioner } from "./provisioner.ts";
import { Quiet } from "./quiet.ts";
import { endStrays } from "./record.ts";
import { emptyTrash, removeMachine } from "./remove.ts";
import { shortenDisk } from "./shorten-disk.ts";
import { listSnapshots, readSnapshot, removeSnapshot, snapshotNamed } from "./snapshots.ts";
import { SpaceGuard } from "./space-guard.ts";
import { forgetState, resumeMachine, stateOf } from "./without-process.ts";

const machineIdPattern = /^[0-9a-f]{16}$/;

export interface QemuEngineOptions {
  hostId: string;
  dataDir: string;
  reserve: DiskReserve;
  /** A short folder for sockets, such as /run/bhatti. */
  runtimeDir: string;
  /** Folder with the guest's kernel; `kernel` in the data directory unless given. */
  kernel?: string;
  accelerator: AcceleratorChoice;
  poolSize: number;
  /** Connects network cards; undefined where the host cannot have networks. */
  nics: NicHost | undefined;
  /** Where memory files go; with the machines unless given. */
  ramDir?: string;
  log: EngineLog;
  /** The spec of the pool until another one is requested. */
  defaultSpec(): MachineSpec | undefined;
}

/** Errors: host_unfit when this machine lacks what a guest needs. */
export async function openQemuEngine(options: QemuEngineOptions): Promise<Engine> {
  const { dataDir, log, accelerator } = options;
  const paths = enginePaths(dataDir, options.runtimeDir, options.ramDir);
  for (const directory of [
    paths.machines,
    paths.golden,
    paths.snapshots,
    paths.cache,
    paths.ram,
    paths.runtime,
  ]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await endStrays(paths, log);
  await emptyTrash(paths);
  await removeScratch(paths);
  const kernel = options.kernel ?? join(dataDir, "kernel");
  const signal = AbortSignal.timeout(deadlineMs.prepare);
  const platform = await preparePlatform({
    hostId: options.hostId,
    nics: options.nics,
    paths,
    kernel,
    accelerator,
    log,
    signal,
  });
  const engine = new QemuEngine(options, paths, platform);
  await engine.load();
  return engine;
}

/** Removes what a killed daemon left of its attempts: sockets of no machine, and folders that were being made. */
async function removeScratch(paths: EnginePaths): Promise<void> {
  for (const parent of [paths.machines, paths.snapshots]) {
    for (const name of await readdir(parent)) {
      if (!name.startsWith(unfinishedPrefix)) continue;
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
  for (const name of await readdir(paths.runtime)) {
    if (machineIdPattern.test(name)) continue;
    await rm(join(paths.runtime, name), { recursive: true, force: true });
  }
}

class QemuEngine implements Engine {
  readonly features: EngineFeatures;
  readonly #options: QemuEngineOptions;
  readonly #paths: EnginePaths;
  readonly #platform: PreparedPlatform;
  readonly #provisioner: Provisioner;
  readonly #quiet = new Quiet();
  /** Those that were handed out and run. */
  readonly #running = new Map<string, QemuMachine>();
  readonly #space: SpaceGuard;

  constructor(options: QemuEngineOptions, paths: EnginePaths, platform: PreparedPlatform) {
    const { poolSize, log } = options;
    this.#options = options;
    this.#paths = paths;
    this.#platform = platform;
    this.#provisioner = new Provisioner({ paths, platform, poolSize, quiet: this.#quiet, log });
    this.#space = new SpaceGuard({
      directory: paths.ram,
      reserve: options.reserve,
      machines: () => this.#running.values(),
      log,
    });
    this.features = {
      name: `qemu ${platform.qemuVersion}`,
      accelerator: platform.accelerator,
      acceleratorReason: platform.acceleratorReason,
      isolates: platform.accelerator === "kvm",
    };
  }

  async load(): Promise<void> {
    await this.#provisioner.load();
  }

  start(): void {
    this.#space.start();
    const spec = this.#options.defaultSpec();
    if (spec) this.#provisioner.prepare(spec);
  }

  async create(root: RootImage, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const spec = { ...config.hardware, ...root };
    const machine = await this.#foreground(async () => {
      await this.#checkSpace(spec);
      return await this.#provisioner.make(spec, config, signal);
    });
    this.#provisioner.prepare(spec);
    return this.#handOut(machine);
  }

  async stateOf(id: string): Promise<MachineState> {
    return machineIdPattern.test(id) ? await stateOf(machinePaths(this.#paths, id)) : "gone";
  }

  async resume(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const plan = { engine: this.#paths, platform: this.#platform, id, config };
    return this.#handOut(await this.#foreground(() => resumeMachine(plan, signal)));
  }

  async boot(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const machine = await this.#foreground(async () => {
      await this.#checkSpace(config.hardware);
      const paths = machinePaths(this.#paths, id);
      // One of which nothing can be read is left as it is.
      await chainOf(paths.disk);
      await forgetState(paths);
      return await this.#provisioner.workshop.boot(id, config, signal);
    });
    return this.#handOut(machine);
  }

  async capture(
    id: string,
    hardware: Hardware,
    snapshot: string,
    kind: SnapshotKind,
    signal: AbortSignal,
  ): Promise<SnapshotFacts> {
    const target = { paths: snapshotNamed(this.#paths, snapshot), kind };
    return await this.#foreground(async () => {
      if (kind === "full") await this.#checkSpace(hardware);
      const machine = this.#running.get(id);
      if (machine) return await captureRunning(machine, target, signal);
      const paths = machinePaths(this.#paths, id);
      const state = await stateOf(paths);
      if (state === "gone") await chainOf(paths.disk); // says what is
      if (state === "running") {
        const message = "The VM is running, but does not respond";
        throw new BhattiError("guest_unresponsive", message);
      }
      if (kind === "full" && state !== "suspended") {
        const message = "The VM is off and has no saved memory; only its disk can be copied";
        throw new BhattiError("no_saved_state", message);
      }
      const files = { id, paths, hardware, platform: this.#platform, log: this.#options.log };
      return await captureWithoutProcess(files, target, signal);
    });
  }

  async clone(snapshot: string, config: MachineConfig, signal: AbortSignal): Promise<Machine> {
    const paths = snapshotNamed(this.#paths, snapshot);
    const machine = await this.#foreground(async () => {
      const record = await readSnapshot(paths);
      await this.#checkSpace(record.hardware);
      return await this.#provisioner.workshop.fromSnapshot(paths, record, config, signal);
    });
    return this.#handOut(machine);
  }

  async snapshots(): Promise<Listed[]> {
    const ids = await listSnapshots(this.#paths);
    return await this.#listed(ids, (id) => snapshotNamed(this.#paths, id).directory);
  }

  removeSnapshot(snapshot: string): Promise<void> {
    return removeSnapshot(this.#paths, snapshot);
  }

  async adopt(
    id: string,
    config: MachineConfig,
    signal: AbortSignal,
  ): Promise<Machine | undefined> {
    const plan = { engine: this.#paths, platform: this.#platform, id, config };
    const machine = await this.#foreground(() => adoptMachine(plan, signal));
    return machine && this.#handOut(machine);
  }

  /** Runs work of a request: delays background work meanwhile, and maps its errors to those of the engine. */
  async #foreground<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#quiet.during(work);
    } catch (error) {
      throw asEngineError(error);
    }
  }

  #handOut(machine: QemuMachine): QemuMachine {
    const { id, paths } = machine;
    machine.onUse = () => this.#quiet.touch();
    machine.requireSpace = () => this.#space.require(machine);
    machine.tidyUp = (signal) => shortenDisk(id, paths, this.#options.log, signal);
    this.#running.set(machine.id, machine);
    void machine.ended.then(() => this.#running.delete(machine.id));
    return machine;
  }

  async list(): Promise<Listed[]> {
    const ids = (await readdir(this.#paths.machines)).filter(
      (name) => machineIdPattern.test(name) && !this.#provisioner.workshop.isUnborn(name),
    );
    return await this.#listed(ids, (id) => machinePaths(this.#paths, id).directory);
  }

  #listed(ids: string[], directoryOf: (id: string) => string): Promise<Listed[]> {
    const { hostId } = this.#platform;
    return Promise.all(
      ids.map(async (id) => ({ id, isOwn: await isOwnedBy(directoryOf(id), hostId) })),
    );
  }

  async destroy(id: string): Promise<void> {
    if (!machineIdPattern.test(id)) return;
    this.#quiet.touch();
    const machine = this.#running.get(id);
    if (machine) await machine.destroy();
    else await removeMachine(this.#paths, id);
  }

  async close(): Promise<void> {
    this.#space.close();
    await this.#provisioner.close();
    for (const machine of this.#running.values()) machine.letGo();
    // Left behind only while machines run on: their sockets are in it.
    await rmdir(this.#paths.runtime).catch(() => {});
  }

  /** A memory file grows as the guest uses it; a host disk that is full then would end the machine. */
  async #checkSpace(spec: Hardware): Promise<void> {
    const freeMB = megabytes((await diskSpaceOf(this.#paths.ram)).free);
    if (freeMB >= spec.memoryMB) return;
    throw new BhattiError(
      "disk_full",
      `The memory needs ${spec.memoryMB} MB of disk space, but "${this.#paths.ram}" has ${freeMB} MB free`,
    );
  }
}
