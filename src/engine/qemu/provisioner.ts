/** Makes machines: from the fastest way to the surest. */
import { abortable } from "../../async/deadline.ts";
import { messageOf } from "../../errors/bhatti-error.ts";
import type { ErrorCode } from "../../errors/catalogue.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { MachineSpec } from "../machine-spec.ts";
import { asEngineError } from "./engine-error.ts";
import { goldenBytes } from "./golden-build.ts";
import { type Golden, GoldenStore } from "./golden-store.ts";
import type { EngineLog } from "./log.ts";
import type { QemuMachine } from "./machine.ts";
import type { EnginePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { Pool } from "./pool.ts";
import type { Quiet } from "./quiet.ts";
import { type Root, rootOnImage } from "./root.ts";
import { bestShape } from "./shape.ts";
import { requireSpare } from "./space-guard.ts";
import { Workshop } from "./workshop.ts";

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
  readonly #workshop: Workshop;
  #background: Promise<void> | undefined;

  constructor(options: ProvisionerOptions) {
    const { paths, platform, poolSize, quiet, log } = options;
    this.#options = options;
    this.#golden = new GoldenStore(paths, platform, log, this.#closing.signal);
    this.#workshop = new Workshop({ paths, platform, golden: this.#golden, log });
    this.#pool = new Pool({
      size: poolSize,
      make: (spec, signal) => this.#forPool(spec, signal),
      drop: (machine) => this.#workshop.drop(machine),
      quiet,
      log,
    });
  }

  async load(): Promise<void> {
    await this.#golden.load();
  }

  get workshop(): Workshop {
    return this.#workshop;
  }

  /** Makes the next machine of that kind fast, while nothing else is going on. */
  prepare(spec: MachineSpec): void {
    if (this.#options.poolSize > 0) this.#pool.want(spec);
    this.#background ??= this.#prepareGolden(spec).finally(() => {
      this.#background = undefined;
    });
  }

  /** A machine that runs and knows who it is. A way that fails for a reason of its own leads to the next. */
  async make(spec: MachineSpec, config: MachineConfig, signal: AbortSignal): Promise<QemuMachine> {
    const machine =
      (await this.#fromPool(spec, config, signal)) ??
      (await this.#fromGolden(spec, config, signal)) ??
      (await this.#fromNothing(spec, config, signal));
    return this.#workshop.handOver(machine);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#pool.close(), this.#background, this.#golden.settled()]);
  }

  async #fromPool(spec: MachineSpec, config: MachineConfig, signal: AbortSignal) {
    const machine = this.#pool.take(spec);
    if (!machine) return undefined;
    return await this.#attempt("use a pool VM", signal, refusals, () =>
      this.#workshop.personalise(machine, machine.sleep.runProcessors(signal), config, signal),
    );
  }

  async #fromGolden(spec: MachineSpec, config: MachineConfig, signal: AbortSignal) {
    // A guest that does not come up here would not come up by a cold boot either.
    const golden = await this.#attempt(
      "create a golden snapshot",
      signal,
      ["guest_unresponsive"],
      () => this.#goldenFor(spec, signal),
    );
    if (!golden) return undefined;
    return await this.#attempt("restore a VM", signal, refusals, async () => {
      const machine = await this.#clone(spec, golden, config, signal);
      return await this.#workshop.personalise(machine, machine.guest(signal), config, signal);
    });
  }

  async #fromNothing(spec: MachineSpec, config: MachineConfig, signal: AbortSignal) {
    const root = await rootOnImage(spec.image, spec.diskSizeMB);
    const machine = await this.#workshop.coldBoot(config, root, signal);
    return await this.#workshop.personalise(machine, machine.guest(signal), config, signal);
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
      this.#options.log.warn(`cannot ${what}`, { error: messageOf(error) });
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
      this.#options.log.warn("cannot create a golden snapshot", { error: messageOf(error) });
    }
  }

  async #forPool(spec: MachineSpec, signal: AbortSignal): Promise<QemuMachine> {
    const golden = await this.#golden.obtain(await bestShape(spec));
    await requireSpare("A pool VM", goldenBytes, this.#options.paths.ram);
    return await this.#clone(spec, golden, undefined, signal);
  }

  async #clone(
    spec: MachineSpec,
    golden: Golden,
    config: MachineConfig | undefined,
    signal: AbortSignal,
  ): Promise<QemuMachine> {
    const root: Root = golden.mounted
      ? { kind: "copy", directory: golden.paths.disk }
      : await rootOnImage(spec.image, spec.diskSizeMB);
    const { cpus, memoryMB } = spec;
    return await this.#workshop.cloneGolden({ cpus, memoryMB }, golden, root, config, signal);
  }
}
