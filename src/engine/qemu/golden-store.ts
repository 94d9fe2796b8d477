/**
 * Golden snapshots: a guest is booted once, stopped at "agent ready", and kept. Every later machine of that shape is a
 * copy of it. One with an image's root mounted is faster still; one without serves every image.
 */
import { randomBytes } from "node:crypto";
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { isBhattiError } from "../../errors/bhatti-error.ts";
import { goldenKeyOf } from "./fingerprint.ts";
import { buildGolden, LateTimers } from "./golden-build.ts";
import { readGoldenRecord } from "./golden-record.ts";
import type { EngineLog } from "./log.ts";
import { type EnginePaths, type GoldenPaths, goldenPaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Shape } from "./shape.ts";

export interface Golden {
  key: string;
  /** Name of its folder: a snapshot that is made again gets another, as clones may just be copying the old one. */
  name: string;
  paths: GoldenPaths;
  /** Whether the image's root is mounted in it. */
  mounted: boolean;
}

/** Each takes about 93 MB of disk; more than this many are removed, the longest unused first. */
const keepAtMost = 12;

export class GoldenStore {
  readonly #engine: EnginePaths;
  readonly #platform: PreparedPlatform;
  readonly #log: EngineLog;
  readonly #signal: AbortSignal;
  readonly #ready = new Map<string, Golden>();
  readonly #building = new Map<string, Promise<Golden>>();

  /** The signal ends builds, which several requests may share. */
  constructor(
    engine: EnginePaths,
    platform: PreparedPlatform,
    log: EngineLog,
    signal: AbortSignal,
  ) {
    this.#engine = engine;
    this.#platform = platform;
    this.#log = log;
    this.#signal = signal;
  }

  /** Finds what earlier daemons made, and removes what one of them did not finish. */
  async load(): Promise<void> {
    for (const name of await this.#byLastUse()) {
      const paths = goldenPaths(this.#engine.golden, name);
      const record = await readGoldenRecord(paths);
      // One of other parts (another kernel, agent or QEMU) would never be asked for again.
      if (record && record.key === goldenKeyOf(this.#platform, record)) {
        const { key, image } = record;
        this.#ready.set(key, { key, name, paths, mounted: image !== undefined });
      } else {
        await this.#remove({ key: "", name, paths, mounted: true });
      }
    }
    await this.#evict();
  }

  /** The longest unused first: a record's time stamp is that of its last use. */
  async #byLastUse(): Promise<string[]> {
    const names = await readdir(this.#engine.golden).catch(() => []);
    const used = await Promise.all(
      names.map(async (name) => {
        const { record } = goldenPaths(this.#engine.golden, name);
        return { name, at: (await stat(record).catch(() => undefined))?.mtimeMs ?? 0 };
      }),
    );
    return used.sort((a, b) => a.at - b.at).map(({ name }) => name);
  }

  find(shape: Shape): Golden | undefined {
    return this.#touch(goldenKeyOf(this.#platform, shape));
  }

  /** The snapshot that is being made just now, if it is. */
  pending(shape: Shape): Promise<Golden> | undefined {
    return this.#building.get(goldenKeyOf(this.#platform, shape));
  }

  /** The snapshot, made if need be; of several that ask at once, one makes it for all. */
  obtain(shape: Shape): Promise<Golden> {
    const key = goldenKeyOf(this.#platform, shape);
    const found = this.#touch(key);
    if (found) return Promise.resolve(found);
    const building = this.#building.get(key);
    if (building !== undefined) return building;
    const fresh = this.#build(key, shape).finally(() => this.#building.delete(key));
    this.#building.set(key, fresh);
    return fresh;
  }

  /** Resolves when nothing is being made any more: the guests of what was cut short are ended then. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#building.values());
  }

  /** A snapshot from which no machine can be made is worse than none. */
  async forget(golden: Golden): Promise<void> {
    if (this.#ready.get(golden.key) === golden) this.#ready.delete(golden.key);
    await this.#remove(golden);
  }

  /** Keeps the map in order of use: the first is the longest unused. */
  #touch(key: string): Golden | undefined {
    const golden = this.#ready.get(key);
    if (golden) {
      this.#ready.delete(key);
      this.#ready.set(key, golden);
      const now = new Date();
      void utimes(golden.paths.record, now, now).catch(() => {}); // only the order of use, over restarts
    }
    return golden;
  }

  async #build(key: string, shape: Shape): Promise<Golden> {
    for (let boot = 1; ; boot += 1) {
      try {
        return await this.#boot(key, shape);
      } catch (error) {
        // Rarely an emulated guest hangs while it boots, or boots badly on a busy host: another may not.
        const tries = isBhattiError(error, "guest_unresponsive") ? 2 : 3;
        const mayHelp = error instanceof LateTimers || isBhattiError(error, "guest_unresponsive");
        if (!mayHelp || boot >= tries || this.#signal.aborted) throw error;
        this.#log.warn("a golden guest failed its checks, trying again", { error: error.message });
      }
    }
  }

  async #boot(key: string, shape: Shape): Promise<Golden> {
    const started = performance.now();
    const { cpus, memoryMB } = shape;
    this.#log.debug("creating a golden snapshot", {
      cpus,
      memory_mb: memoryMB,
      image: shape.image?.name,
    });
    const name = `${key}-${randomBytes(4).toString("hex")}`;
    const golden = {
      key,
      name,
      paths: goldenPaths(this.#engine.golden, name),
      mounted: shape.image !== undefined,
    };
    await buildGolden({
      id: name.slice(-8),
      key,
      shape,
      platform: this.#platform,
      paths: golden.paths,
      sockets: join(this.#engine.runtime, `golden-${name.slice(-8)}`),
      signal: this.#signal,
    });
    this.#ready.set(key, golden);
    this.#log.info("golden snapshot created", {
      golden: name,
      cpus: shape.cpus,
      memory_mb: shape.memoryMB,
      image: shape.image?.name,
      ms: Math.round(performance.now() - started),
    });
    await this.#evict();
    return golden;
  }

  async #evict(): Promise<void> {
    while (this.#ready.size > keepAtMost) {
      const [oldest] = this.#ready.values();
      if (!oldest) return;
      this.#log.debug("golden snapshot removed", { golden: oldest.name });
      await this.forget(oldest);
    }
  }

  /** Its record goes first, so that it does not exist any more. Clones have links of their own to its disk's layers. */
  async #remove(golden: Golden): Promise<void> {
    await rm(golden.paths.record, { force: true });
    await rm(golden.paths.directory, { recursive: true, force: true });
  }
}
