/** The engine on QEMU: what services ask for, and who runs. How a machine is made is the provisioner's business. */
import { mkdir, readdir, rm, rmdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { GuestConfiguration } from "../../agent/guest.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Engine, EngineFeatures, Machine } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { AcceleratorChoice } from "./accelerator.ts";
import { adoptMachine } from "./adopt.ts";
import { asEngineError } from "./engine-error.ts";
import type { EngineLog } from "./log.ts";
import { type QemuMachine, removeMachine, trashDirectory } from "./machine.ts";
import { type EnginePaths, enginePaths } from "./paths.ts";
import { type PreparedPlatform, preparePlatform } from "./platform.ts";
import { Provisioner } from "./provisioner.ts";
import { Quiet } from "./quiet.ts";
import { endProcessOfPidFile } from "./record.ts";

const prepareDeadlineMs = 60_000;
const machineIdPattern = /^[0-9a-f]{16}$/;

export interface QemuEngineOptions {
  dataDir: string;
  /** A short folder for sockets, such as /run/bhatti. */
  runtimeDir: string;
  /** Folder with the guest's kernel; `kernel` in the data directory unless given. */
  kernel?: string;
  accelerator: AcceleratorChoice;
  poolSize: number;
  /** Where memory files go; with the machines unless given. */
  ramDir?: string;
  log: EngineLog;
  /** What the pool holds until somebody asks for something else. */
  defaultSpec(): MachineSpec | undefined;
}

/** Errors: host_unfit when this machine lacks what a guest needs. */
export async function openQemuEngine(options: QemuEngineOptions): Promise<Engine> {
  const { dataDir, log, accelerator } = options;
  const paths = enginePaths(dataDir, options.runtimeDir, options.ramDir);
  for (const directory of [paths.machines, paths.golden, paths.cache, paths.ram, paths.runtime]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await rm(trashDirectory(paths), { recursive: true, force: true });
  await removeScratch(paths);
  const kernel = options.kernel ?? join(dataDir, "kernel");
  const signal = AbortSignal.timeout(prepareDeadlineMs);
  const platform = await preparePlatform({ paths, kernel, accelerator, log, signal });
  const engine = new QemuEngine(options, paths, platform);
  await engine.load();
  return engine;
}

/** What a daemon that was killed left of its attempts: of those the runtime folder knows, the machines apart. */
async function removeScratch(paths: EnginePaths): Promise<void> {
  for (const name of await readdir(paths.runtime)) {
    if (machineIdPattern.test(name)) continue;
    const directory = join(paths.runtime, name);
    await endProcessOfPidFile(join(directory, "pid"));
    await rm(directory, { recursive: true, force: true });
  }
}

class QemuEngine implements Engine {
  readonly features: EngineFeatures;
  readonly #options: QemuEngineOptions;
  readonly #paths: EnginePaths;
  readonly #provisioner: Provisioner;
  readonly #quiet = new Quiet();
  /** Those that were handed out and run. */
  readonly #running = new Map<string, QemuMachine>();

  constructor(options: QemuEngineOptions, paths: EnginePaths, platform: PreparedPlatform) {
    const { poolSize, log } = options;
    this.#options = options;
    this.#paths = paths;
    this.#provisioner = new Provisioner({ paths, platform, poolSize, quiet: this.#quiet, log });
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
    const spec = this.#options.defaultSpec();
    if (spec) this.#provisioner.prepare(spec);
  }

  async create(
    spec: MachineSpec,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<Machine> {
    try {
      await this.#checkSpace(spec);
      const make = () => this.#provisioner.make(spec, identity, signal);
      const machine = await this.#quiet.during(make);
      this.#provisioner.prepare(spec);
      return this.#handOut(machine);
    } catch (error) {
      throw asEngineError(error);
    }
  }

  async adopt(id: string, signal: AbortSignal): Promise<Machine | undefined> {
    const machine = await adoptMachine(this.#paths, id, signal);
    return machine && this.#handOut(machine);
  }

  #handOut(machine: QemuMachine): QemuMachine {
    machine.onUse = () => this.#quiet.touch();
    this.#running.set(machine.id, machine);
    void machine.ended.then(() => this.#running.delete(machine.id));
    return machine;
  }

  async list(): Promise<string[]> {
    const names = await Promise.all([readdir(this.#paths.machines), readdir(this.#paths.runtime)]);
    const ids = new Set(names.flat().filter((name) => machineIdPattern.test(name)));
    return [...ids].filter((id) => !this.#provisioner.isUnborn(id));
  }

  async destroy(id: string): Promise<void> {
    if (!machineIdPattern.test(id)) return;
    this.#quiet.touch();
    const machine = this.#running.get(id);
    if (machine) await machine.destroy();
    else await removeMachine(this.#paths, id);
  }

  async close(): Promise<void> {
    await this.#provisioner.close();
    for (const machine of this.#running.values()) machine.letGo();
    // Left behind only while machines run on: their sockets are in it.
    await rmdir(this.#paths.runtime).catch(() => {});
  }

  /** A memory file grows as the guest uses it; a host disk that is full then would end the machine. */
  async #checkSpace(spec: MachineSpec): Promise<void> {
    const { bavail, bsize } = await statfs(this.#paths.ram);
    const freeMB = Math.floor((bavail * bsize) / (1024 * 1024));
    if (freeMB >= spec.memoryMB) return;
    throw new BhattiError(
      "disk_full",
      `The machine's memory needs ${spec.memoryMB} MB of disk, and ${freeMB} MB are free in "${this.#paths.ram}"`,
    );
  }
}
