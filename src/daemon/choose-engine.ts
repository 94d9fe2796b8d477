/** The engine that the configuration names, loaded only when it is the one. */
import { join } from "node:path";
import type { ServerConfig } from "../config/schema.ts";
import type { Engine } from "../engine/engine.ts";
import type { MachineSpec } from "../engine/machine-spec.ts";
import type { DiskReserve } from "../host/disk-reserve.ts";
import type { NicHost } from "../network/host-networks.ts";
import type { Logger } from "../observability/log.ts";

export interface EngineDependencies {
  /** Disk space of the data directory, freed when the disk is full. */
  reserve: DiskReserve;
  /** Id of the host that owns the files of the engine. */
  hostId: string;
  runtimeDir: string;
  nics: NicHost | undefined;
  log: Logger;
  /** What machines are kept ready for; undefined until its image is built. */
  defaultSpec(): MachineSpec | undefined;
}

export async function openEngine(
  config: ServerConfig,
  dependencies: EngineDependencies,
): Promise<Engine> {
  switch (config.engine) {
    case "fake": {
      const { FakeEngine } = await import("../engine/fake/fake-engine.ts");
      const { FakeHost } = await import("../engine/fake/fake-host.ts");
      // Never in a directory with real machines, which it would remove.
      return new FakeEngine({}, new FakeHost({ folder: join(config.dataDir, "fake") }));
    }
    case "qemu": {
      const { openQemuEngine } = await import("../engine/qemu/qemu-engine.ts");
      const { dataDir, accelerator, poolSize, kernel, ramDir } = config;
      return openQemuEngine({
        ...dependencies,
        dataDir,
        accelerator,
        poolSize,
        ...(kernel !== undefined && { kernel }),
        ...(ramDir !== undefined && { ramDir }),
      });
    }
  }
}
