/** What a machine is started with when a test is about something else. */
import type { MachineConfig } from "../../src/engine/machine-config.ts";

export const hardware = { cpus: 1, memoryMB: 192 };

export function plainConfig(change: Partial<MachineConfig> = {}): MachineConfig {
  return { epoch: 1, hardware, identity: {}, nics: [], volumes: [], ...change };
}
