/** The engine on QEMU: a create is a restore, from the pool when it has one, and a cold boot when nothing else works. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, rmdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import { abortable, within } from "../../async/deadline.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { ErrorCode } from "../../errors/catalogue.ts";
import type { Engine, EngineFeatures, Machine } from "../engine.ts";
import type { MachineSpec } from "../machine-spec.ts";
import type { AcceleratorChoice } from "./accelerator.ts";
import { adoptMachine } from "./adopt.ts";
import { cloneMachine } from "./clone.ts";
import { coldBoot, rootBytes } from "./cold-boot.ts";
import { asEngineError } from "./engine-error.ts";
import type { Shape } from "./golden-build.ts";
import { type Golden, GoldenStore } from "./golden-store.ts";
import type { EngineLog } from "./log.ts";
import { type QemuMachine, removeMachine, trashDirectory } from "./machine.ts";
import { type EnginePaths, enginePaths } from "./paths.ts";
import { type PreparedPlatform, preparePlatform } from "./platform.ts";
import { Pool } from "./pool.ts";
import { Quiet } from "./quiet.ts";

const configureDeadlineMs = 20_000;

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
  const paths = enginePaths(options.dataDir, options.runtimeDir, options.ramDir);
  for (const directory of [paths.machines, paths.golden, paths.cache, paths.ram, paths.runtime]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await rm(trashDirectory(paths), { recursive: true, force: true });
  const lifetime = new AbortController();
  const platform = await preparePlatform({
    paths,
    kernel: options.kernel ?? join(options.dataDir, "kernel"),
    accelerator: options.accelerator,
    log: options.log,
    signal: lifetime.signal,
  });
  const engine = new QemuEngine(options, paths, platform, lifetime);
  await engine.start();
  return engine;
}

class QemuEngine implements Engine {
  readonly features: EngineFeatures;
  readonly #options: QemuEngineOptions;
  readonly #paths: EnginePaths;
  readonly #platform: PreparedPlatform;
  readonly #lifetime: AbortController;
  readonly #golden: GoldenStore;
  readonly #pool: Pool;
  readonly #quiet = new Quiet();
  /** Machines that are being made, or wait in the pool: nobody else knows them yet. */
  readonly #unborn = new Set<string>();
  #background: Promise<void> | undefined;
  /** Those that were handed out and run. */
  readonly #running = new Map<string, QemuMachine>();

  constructor(
    options: QemuEngineOptions,
    paths: EnginePaths,
    platform: PreparedPlatform,
    lifetime: AbortController,
  ) {
    this.#options = options;
    this.#paths = paths;
    this.#platform = platform;
    this.#lifetime = lifetime;
    this.#golden = new GoldenStore(paths, platform, options.log, lifetime.signal);
    this.#pool = new Pool({
      size: options.poolSize,
      make: (spec, signal) => this.#makeForPool(spec, signal),
      quiet: this.#quiet,
      log: options.log,
    });
    this.features = {
      name: `qemu ${platform.qemuVersion}`,
      accelerator: platform.accelerator,
      acceleratorReason: platform.acceleratorReason,
      isolates: platform.accelerator === "kvm",
    };
  }

  async start(): Promise<void> {
    await this.#golden.load();
    const spec = this.#options.defaultSpec();
    if (spec) this.#prepareNext(spec);
  }

  /** Makes the next machine of that kind fast, while nothing else is going on. */
  #prepareNext(spec: MachineSpec): void {
    if (this.#options.poolSize > 0) this.#pool.want(spec);
    else
      this.#background ??= this.#prepareGolden(spec).finally(() => (this.#background = undefined));
  }

  async #prepareGolden(spec: MachineSpec): Promise<void> {
    const { signal } = this.#lifetime;
    try {
      for (const shape of [await shapeOf(spec), { cpus: spec.cpus, memoryMB: spec.memoryMB }]) {
        if (this.#golden.find(shape)) continue;
        await this.#quiet.wait(signal);
        await this.#golden.obtain(shape);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#options.log.warn("no golden snapshot was made", { error: messageOf(error) });
    }
  }

  async create(
    spec: MachineSpec,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<Machine> {
    try {
      await this.#checkSpace(spec);
      const machine = await this.#quiet.during(() => this.#make(spec, identity, signal));
      this.#unborn.delete(machine.id);
      this.#prepareNext(spec);
      return this.#handOut(machine);
    } catch (error) {
      throw asEngineError(error);
    }
  }

  /** From the fastest way to the surest; a way that fails for a reason of its own leads to the next. */
  async #make(spec: MachineSpec, identity: GuestConfiguration, signal: AbortSignal) {
    const pooled = this.#pool.take(spec);
    if (pooled) {
      const machine = await this.#tryTo("use a pool machine", signal, async () => {
        const guest = pooled.resume(signal);
        return await this.#personalise(pooled, guest, identity, signal);
      });
      if (machine) return machine;
    }
    const cloned = await this.#tryTo("restore a machine", signal, async () => {
      const machine = await this.#clone(spec, await this.#goldenFor(spec, signal), signal);
      return await this.#personalise(machine, machine.guest(signal), identity, signal);
    });
    if (cloned) return cloned;
    const plan = { id: this.#newId(), spec, platform: this.#platform, engine: this.#paths };
    const machine = await coldBoot(plan, signal);
    return await this.#personalise(machine, machine.guest(signal), identity, signal);
  }

  async #tryTo<T>(what: string, signal: AbortSignal, work: () => Promise<T>) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || hopeless.has(asEngineError(error).code)) throw error;
      this.#options.log.warn(`could not ${what}`, { error: messageOf(error) });
      return undefined;
    }
  }

  /**
   * One with the image's root mounted if there is one, or soon will be; otherwise one that serves every image. When
   * there is none at all, one with the root is made, as that is what the next create wants too.
   */
  async #goldenFor(spec: MachineSpec, signal: AbortSignal): Promise<Golden> {
    const { cpus, memoryMB } = spec;
    const best = await shapeOf(spec);
    const found = this.#golden.find(best);
    if (found) return found;
    const soon = this.#golden.pending(best);
    if (soon !== undefined) return await abortable(soon, signal);
    const plain = this.#golden.find({ cpus, memoryMB });
    return plain ?? (await abortable(this.#golden.obtain(best), signal));
  }

  async #makeForPool(spec: MachineSpec, signal: AbortSignal): Promise<QemuMachine> {
    const golden = await this.#golden.obtain(await shapeOf(spec));
    return await this.#clone(spec, golden, signal, "pool");
  }

  async #clone(
    spec: MachineSpec,
    golden: Golden,
    signal: AbortSignal,
    kind: "restored" | "pool" = "restored",
  ): Promise<QemuMachine> {
    const plan = {
      id: this.#newId(),
      spec,
      golden,
      platform: this.#platform,
      engine: this.#paths,
      kind,
    };
    try {
      return await cloneMachine(plan, signal);
    } catch (error) {
      this.#unborn.delete(plan.id);
      const isOwnFault = !signal.aborted && asEngineError(error).code !== "disk_full";
      if (isOwnFault) await this.#golden.forget(golden);
      throw error;
    }
  }

  /** Who it is, before anything of the user's runs: its processes stand still until it knows. */
  async #personalise(
    machine: QemuMachine,
    ready: Promise<Guest>,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    try {
      await within(configureDeadlineMs, "Configuring the guest", signal, async (until) => {
        const guest = await abortable(ready, until);
        // Told in one go, carried out in this order.
        await Promise.all([guest.configure(identity, until), guest.thaw(until)]);
      });
      return machine;
    } catch (error) {
      await machine.destroy();
      this.#unborn.delete(machine.id);
      throw error;
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
    return [...ids].filter((id) => !this.#unborn.has(id));
  }

  async destroy(id: string): Promise<void> {
    if (!machineIdPattern.test(id)) return;
    this.#quiet.touch();
    const machine = this.#running.get(id);
    if (machine) await machine.destroy();
    else await removeMachine(this.#paths, id);
  }

  async close(): Promise<void> {
    this.#lifetime.abort();
    await Promise.all([this.#pool.close(), this.#background]);
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

  #newId(): string {
    const id = randomBytes(8).toString("hex");
    this.#unborn.add(id);
    return id;
  }
}

/** Another way to the same machine would end in the same way. */
const hopeless = new Set<ErrorCode>(["disk_full", "guest_unresponsive", "host_unfit"]);
const machineIdPattern = /^[0-9a-f]{16}$/;

/** The golden snapshot that suits best: with the image's root mounted, unless the disk is to be larger than that. */
async function shapeOf(spec: MachineSpec): Promise<Shape> {
  const { cpus, memoryMB, image } = spec;
  const isLarger = (await rootBytes(spec)) > (await rootBytes({ ...spec, diskSizeMB: 0 }));
  return isLarger ? { cpus, memoryMB } : { cpus, memoryMB, image };
}
