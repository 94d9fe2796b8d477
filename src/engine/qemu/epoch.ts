/** Which manifests are out of date. */
import type { MachineConfig } from "../machine-config.ts";

/**
 * Whether the manifest is of an earlier start than the last that ran. A later one is possible: a daemon can be killed
 * between the start and storing its number.
 */
export function isOutdated(manifest: { epoch: number }, next: MachineConfig): boolean {
  return manifest.epoch < next.epoch - 1;
}
