/** Builds what a sandbox's machine needs at each of its starts, from the sandbox's row: the only place that does. */
import type { MachineConfig, NicConfig, VolumeConfig } from "../engine/machine-config.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import { identityOf } from "./sandbox-identity.ts";

export type ConfigOf = (sandbox: SandboxRecord) => MachineConfig;

/** Devices of sandboxes beside their hardware and identity. */
export interface Attachments {
  nicsOf(sandbox: SandboxRecord): NicConfig[];
  volumesOf(sandbox: SandboxRecord): VolumeConfig[];
}

const none: Attachments = { nicsOf: () => [], volumesOf: () => [] };

export function machineConfigs({ nicsOf, volumesOf }: Attachments = none): ConfigOf {
  return (sandbox) => {
    const nics = nicsOf(sandbox);
    return {
      epoch: sandbox.epoch + 1,
      hardware: { cpus: sandbox.cpus, memoryMB: sandbox.memoryMB },
      identity: identityOf(sandbox, nics[0]),
      nics,
      volumes: volumesOf(sandbox),
    };
  };
}
