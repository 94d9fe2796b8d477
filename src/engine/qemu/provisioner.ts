/** Makes machines: from the fastest way to the surest. */
import { randomBytes } from "node:crypto";
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import { abortable, within } from "../../async/deadline.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import type { ErrorCode } from "../../errors/catalogue.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { cloneMachine } from "./clone.ts";
import { coldBoot } from "./cold-boot.ts";
import { asEngineError } from "./engine-error.ts";
import { UnusableSnapshot } from "./golden-record.ts";
import { type Golden, GoldenStore } from "./golden-store.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import type { EnginePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { Pool } from "./pool.ts";
import type { Quiet } from "./quiet.ts";
import { bestShape } from "./shape.ts";
import { Stopwatch } from "./stopwatch.ts";

const configureDeadlineMs = 20_000;

/** The guest says no to what it is told: it would say so again. */
const refusals: ErrorCode[] = ["bad_request", "guest_failed"];

export interface ProvisionerOptions {
  paths: EnginePaths;
  platform: PreparedPlatform;
  poolSize: number;
  quiet: Quiet;
  log: EngineLog;
}

export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #closing = new AbortController();
  readonly #golden: GoldenStore;
  readonly #pool: Pool;
  /** Machines that are being made, or wait in the pool: nobody else knows them yet. */
  readonly #unborn = new Set<string>();
  #background: Promise<void> | undefined;

  constructor(options: ProvisionerOptions) {
    const { paths, platform, poolSize, quiet, log } = options;
    this.#options = options;
    this.#golden = new GoldenStore(paths, platform, log, this.#closing.signal);
    this.#pool = new Pool({
      size: poolSize,
      make: (spec, signal) => this.#forPool(spec, signal),
      drop: (machine) => this.#drop(machine),
      quiet,
      log,
    });
  }

  async load(): Promise<void> {
    await this.#golden.load();
  }

  isUnborn(id: string): boolean {
    return this.#unborn.has(id);
  }

  /** Makes the next machine of that kind fast, while nothing else is going on. */
  prepare(spec: MachineSpec): void {
    if (this.#options.poolSize > 0) this.#pool.want(spec);
    this.#background ??= this.#prepareGolden(spec).finally(() => {
      this.#background = undefined;
    });
  }

  /** A machine that runs and knows who it is. A way that fails for a reason of its own leads to the next. */
  async make(
    spec: MachineSpec,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const machine =
      (await this.#fromPool(spec, identity, signal)) ??
      (await this.#fromGolden(spec, identity, signal)) ??
      (await this.#fromNothing(spec, identity, signal));
    this.#unborn.delete(machine.id);
    return machine;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#pool.close(), this.#background, this.#golden.settled()]);
  }

  async #fromPool(spec: MachineSpec, identity: GuestConfiguration, signal: AbortSignal) {
    const machine = this.#pool.take(spec);
    if (!machine) return undefined;
    return await this.#attempt("use a pool machine", signal, refusals, () =>
      this.#personalise(machine, machine.resume(signal), identity, signal),
    );
  }

  async #fromGolden(spec: MachineSpec, identity: GuestConfiguration, signal: AbortSignal) {
    // A guest that does not come up here would not come up by a cold boot either.
    const golden = await this.#attempt(
      "make a golden snapshot",
      signal,
      ["guest_unresponsive"],
      () => this.#goldenFor(spec, signal),
    );
    if (!golden) return undefined;
    return await this.#attempt("restore a machine", signal, refusals, async () => {
      const machine = await this.#clone(spec, golden, "restored", signal);
      return await this.#personalise(machine, machine.guest(signal), identity, signal);
    });
  }

  async #fromNothing(spec: MachineSpec, identity: GuestConfiguration, signal: AbortSignal) {
    const { platform, paths } = this.#options;
    const id = this.#newId();
    try {
      const machine = await coldBoot({ id, spec, platform, engine: paths }, signal);
      return await this.#personalise(machine, machine.guest(signal), identity, signal);
    } catch (error) {
      this.#unborn.delete(id);
      throw error;
    }
  }

  /** Undefined, and a warning, when it failed in a way that another one may not. */
  async #attempt<T>(
    what: string,
    signal: AbortSignal,
    final: ErrorCode[],
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const { code } = asEngineError(error);
      if (signal.aborted || code === "disk_full" || final.includes(code)) throw error;
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
    const best = await bestShape(spec);
    const found = this.#golden.find(best);
    if (found) return found;
    const soon = this.#golden.pending(best);
    if (soon !== undefined) return await abortable(soon, signal);
    const plain = this.#golden.find({ cpus, memoryMB });
    return plain ?? (await abortable(this.#golden.obtain(best), signal));
  }

  async #prepareGolden(spec: MachineSpec): Promise<void> {
    const { signal } = this.#closing;
    const plain = { cpus: spec.cpus, memoryMB: spec.memoryMB };
    try {
      for (const shape of [await bestShape(spec), plain]) {
        if (this.#golden.find(shape)) continue;
        await this.#options.quiet.wait(signal);
        await this.#golden.obtain(shape);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#options.log.warn("no golden snapshot was made", { error: messageOf(error) });
    }
  }

  async #forPool(spec: MachineSpec, signal: AbortSignal): Promise<QemuMachine> {
    const golden = await this.#golden.obtain(await bestShape(spec));
    return await this.#clone(spec, golden, "pool", signal);
  }

  async #clone(
    spec: MachineSpec,
    golden: Golden,
    kind: "restored" | "pool",
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const { platform, paths } = this.#options;
    const id = this.#newId();
    try {
      return await cloneMachine({ id, spec, golden, platform, engine: paths, kind }, signal);
    } catch (error) {
      this.#unborn.delete(id);
      if (error instanceof UnusableSnapshot) await this.#golden.forget(golden);
      throw error;
    }
  }

  /** Who it is, before anything of the user's runs: its processes stand still until it knows. */
  async #personalise(
    machine: QemuMachine,
    answering: Promise<Guest>,
    identity: GuestConfiguration,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const watch = new Stopwatch(machine.origin.steps);
    try {
      await within(configureDeadlineMs, "Configuring the guest", signal, async (until) => {
        const guest = await abortable(answering, until);
        watch.lap("resume");
        // Told in one go, carried out in this order.
        await Promise.all([guest.configure(identity, until), guest.thaw(until)]);
        watch.lap("configure");
      });
      return machine;
    } catch (error) {
      await this.#drop(machine);
      throw error;
    }
  }

  /** A machine that nobody gets to know. What is left of it after a failure here, the next start removes. */
  async #drop(machine: QemuMachine): Promise<void> {
    try {
      await machine.destroy();
    } catch (error) {
      const { id } = machine;
      this.#options.log.warn("a machine was not removed", { machine: id, error: messageOf(error) });
    } finally {
      this.#unborn.delete(machine.id);
    }
  }

  #newId(): string {
    const id = randomBytes(8).toString("hex");
    this.#unborn.add(id);
    return id;
  }
}
