/** Makes one machine in one given way, or leaves nothing of it. */
import { randomBytes } from "node:crypto";
import type { Guest } from "../../agent/guest.ts";
import { abortable, within } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { Hardware } from "../machine-spec.ts";
import { type Attachments, connectBackends, noAttachments } from "./backends.ts";
import type { SnapshotRecord } from "./capture.ts";
import { cloneMachine } from "./clone.ts";
import { coldBoot } from "./cold-boot.ts";
import { deadlineMs } from "./deadlines.ts";
import { asEngineError } from "./engine-error.ts";
import { checkGolden, UnusableSnapshot } from "./golden-record.ts";
import type { Golden, GoldenStore } from "./golden-store.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import type { EnginePaths, SnapshotPaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { writeRecord } from "./record.ts";
import { removeMachine } from "./remove.ts";
import type { Root } from "./root.ts";
import { type SavedStateFiles, type SavedStateRecord, whyUnusable } from "./saved-state.ts";
import { checkSnapshot } from "./snapshots.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface WorkshopOptions {
  paths: EnginePaths;
  platform: PreparedPlatform;
  golden: GoldenStore;
  log: EngineLog;
}

export class Workshop {
  readonly #options: WorkshopOptions;
  /** Machines that are being made or wait in the pool, unknown to services. */
  readonly #unborn = new Set<string>();

  constructor(options: WorkshopOptions) {
    this.#options = options;
  }

  isUnborn(id: string): boolean {
    return this.#unborn.has(id);
  }

  /** Hands the machine over to services. */
  handOver(machine: QemuMachine): QemuMachine {
    this.#unborn.delete(machine.id);
    return machine;
  }

  /** Starts a machine that exists from its disk, which stays as it is when that fails. */
  async boot(id: string, config: MachineConfig, signal: AbortSignal): Promise<QemuMachine> {
    const machine = await this.#startFromDisk(id, config, { kind: "own" }, signal);
    const forget = () => machine.halt();
    return await this.personalise(machine, machine.guest(signal), config, signal, forget);
  }

  /**
   * A machine of its own from what is kept of another. A memory that cannot be used here is left out: then it starts
   * from the disk alone.
   */
  async fromSnapshot(
    paths: SnapshotPaths,
    record: SnapshotRecord,
    config: MachineConfig,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const root: Root = { kind: "copy", directory: paths.disk };
    const note = record.kind === "full" ? this.#unusable(record) : undefined;
    const hasMemory = record.kind === "full" && note === undefined;
    await checkSnapshot(paths, record, hasMemory);
    const machine = hasMemory
      ? await this.#anew((id) => this.#cloneState(id, record.hardware, paths, root, config, signal))
      : await this.#anew((id) => this.#startFromDisk(id, config, root, signal));
    if (note !== undefined) machine.origin.note = note;
    await this.personalise(machine, machine.guest(signal), config, signal);
    return this.handOver(machine);
  }

  /** Damage is an error; that it was saved under other circumstances is a reason to do without it. */
  #unusable(record: SavedStateRecord): string | undefined {
    return whyUnusable(record, this.#options.platform);
  }

  #cloneState(
    id: string,
    hardware: Hardware,
    from: SavedStateFiles,
    root: Root,
    attachments: Attachments,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const { platform, paths } = this.#options;
    const kind = "restored" as const;
    const disks = { from, mounted: true, root, attachments };
    return cloneMachine({ id, hardware, ...disks, platform, engine: paths, kind }, signal);
  }

  /** A golden snapshot without a root takes the boot's place where there is one. */
  async #startFromDisk(
    id: string,
    config: MachineConfig,
    root: Root,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const { hardware } = config;
    const plain = this.#options.golden.find(hardware);
    if (!plain) return await this.#coldBoot(id, hardware, root, config, signal);
    try {
      return await this.#cloneGolden(id, hardware, plain, root, "restored", config, signal);
    } catch (error) {
      if (signal.aborted || asEngineError(error).code === "disk_full") throw error;
      const what = { machine: id, error: messageOf(error) };
      this.#options.log.warn("cannot start a VM from a golden snapshot", what);
      // A copy of the disk may have been made already.
      if (root.kind !== "own") await removeMachine(this.#options.paths, id);
      return await this.#coldBoot(id, hardware, root, config, signal);
    }
  }

  /** Copies a golden snapshot; the machine is frozen, without an identity, and the pool's unless `config` is given. */
  cloneGolden(
    hardware: Hardware,
    golden: Golden,
    root: Root,
    config: MachineConfig | undefined,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const kind = config ? "restored" : "pool";
    const attachments = config ?? noAttachments;
    return this.#anew((id) =>
      this.#cloneGolden(id, hardware, golden, root, kind, attachments, signal),
    );
  }

  /** Boots one, without an identity. */
  coldBoot(config: MachineConfig, root: Root, signal: AbortSignal): Promise<QemuMachine> {
    return this.#anew((id) => this.#coldBoot(id, config.hardware, root, config, signal));
  }

  /** Who it is, before anything of the user's runs: its processes are frozen until it knows. */
  async personalise(
    machine: QemuMachine,
    answering: Promise<Guest>,
    config: MachineConfig,
    signal: AbortSignal,
    undo = () => this.drop(machine),
  ): Promise<QemuMachine> {
    const watch = new Stopwatch(machine.origin.steps);
    const { epoch, identity } = config;
    try {
      machine.epoch = epoch;
      await within(deadlineMs.configure, "Configuring the guest", signal, async (until) => {
        const [guest] = await Promise.all([
          abortable(answering, until),
          machine.origin.kind === "pool" &&
            connectBackends(machine.id, config, this.#options.platform.nics),
        ]);
        watch.lap("resume");
        await machine.sleep.wakeAs(guest, identity, until);
        faultPoint("personalise.thawed");
        watch.lap("configure");
      });
      const { pid, startTime } = machine.process;
      await writeRecord(machine.paths, { pid, startTime, hardware: machine.hardware, epoch });
      faultPoint("personalise.recorded");
      return machine;
    } catch (error) {
      await undo();
      throw error;
    }
  }

  /** Destroys a machine that was not handed over. */
  async drop(machine: QemuMachine): Promise<void> {
    await this.#clearAway(machine.id, () => machine.destroy());
  }

  async #cloneGolden(
    id: string,
    hardware: Hardware,
    golden: Golden,
    root: Root,
    kind: "restored" | "pool",
    attachments: Attachments,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const { platform, paths } = this.#options;
    const { mounted, paths: from } = golden;
    try {
      await checkGolden(from);
      const disks = { from, mounted, root, attachments };
      const plan = { id, hardware, ...disks, platform, engine: paths, kind };
      return await cloneMachine(plan, signal);
    } catch (error) {
      if (error instanceof UnusableSnapshot) await this.#options.golden.forget(golden);
      throw error;
    }
  }

  #coldBoot(
    id: string,
    hardware: Hardware,
    root: Root,
    attachments: Attachments,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const { platform, paths } = this.#options;
    return coldBoot({ id, hardware, root, platform, engine: paths, attachments }, signal);
  }

  /** A machine of which nothing was there before, and of which nothing is left when it fails. */
  async #anew(make: (id: string) => Promise<QemuMachine>): Promise<QemuMachine> {
    const id = randomBytes(8).toString("hex");
    this.#unborn.add(id);
    try {
      return await make(id);
    } catch (error) {
      await this.#clearAway(id, () => removeMachine(this.#options.paths, id));
      throw error;
    }
  }

  /** What is left of it after a failure here, the next start removes. */
  async #clearAway(id: string, remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
    } catch (error) {
      this.#options.log.warn("cannot remove a VM", { machine: id, error: messageOf(error) });
    } finally {
      this.#unborn.delete(id);
    }
  }
}
