/**
 * Identifies the circumstances of a saved state. QEMU loads it only where the guest sees the same machine; golden
 * snapshots depend on the same and on what their guest was booted with.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { protocolVersion } from "../../agent/messages.ts";
import type { Hardware } from "../machine-spec.ts";
import { qemuArguments } from "./command-line.ts";
import { guestView } from "./guest-view.ts";
import { legacyDevices } from "./legacy-devices.ts";
import type { PreparedPlatform } from "./platform.ts";
import type { Shape } from "./shape.ts";

export const Fingerprint = z.object({
  qemu: z.string(),
  accelerator: z.string(),
  /** The processor that the guest saw: the host's own under KVM. */
  cpu: z.string(),
  /** A hash over the machine type, its hardware and its devices as the guest sees them. */
  devices: z.string(),
  /** Kernel and modules: the modules disk stays mounted. */
  kernel: z.string(),
  /** Under TCG the guest runs with the host's clock rate, in kHz. */
  clockKHz: z.number(),
  /** Version of the protocol that the agent in the saved memory speaks. */
  protocol: z.int().default(1),
  /** Digest of the initramfs that holds the agent. Informative: an older agent is understood as well. */
  agent: z.string(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

/** How the files of a golden snapshot are laid out. */
const goldenLayout = 3;

/** A rate that differs by less than this makes a day at most 9 s longer or shorter. */
const clockTolerance = 0.0001;

export function fingerprintOf(platform: PreparedPlatform, hardware: Hardware): Fingerprint {
  return {
    qemu: platform.qemuVersion,
    accelerator: platform.accelerator,
    cpu: platform.cpu,
    devices: digestOf(guestView(argumentsFor(platform, hardware))),
    kernel: platform.kernelDigest,
    clockKHz: platform.clockKHz,
    protocol: protocolVersion,
    agent: platform.initramfsDigest,
  };
}

/** Changes with everything that a golden snapshot of that shape depends on. */
export function goldenKeyOf(platform: PreparedPlatform, shape: Shape): string {
  const words = argumentsFor(platform, shape);
  return digestOf({
    layout: goldenLayout,
    fingerprint: fingerprintOf(platform, shape),
    kernelCommandLine: words[words.indexOf("-append") + 1],
    image: shape.image?.digest,
  });
}

/** Explains why a state that was saved on `saved` cannot be loaded on this platform; undefined when it can. */
export function incompatibility(
  saved: Fingerprint,
  platform: PreparedPlatform,
  hardware: Hardware,
): string | undefined {
  const here = fingerprintOf(platform, hardware);
  const compared: [keyof Fingerprint, string][] = [
    ["qemu", "QEMU"],
    ["accelerator", "The accelerator"],
    ["cpu", "The processor"],
    ["kernel", "The guest kernel"],
    ["protocol", "The agent's protocol"],
  ];
  for (const [key, what] of compared) {
    if (saved[key] !== here[key]) {
      return `${what} has changed since the state was saved (from ${saved[key]} to ${here[key]})`;
    }
  }
  // Machines that were saved without a tap load with one.
  const plain = fingerprintOf({ ...platform, nics: undefined }, hardware);
  const known = [here.devices, plain.devices, legacyDevices(platform.accelerator, hardware)];
  if (!known.includes(saved.devices)) {
    return `The devices have changed since the state was saved (from ${saved.devices} to ${here.devices})`;
  }
  const isSameClock = Math.abs(saved.clockKHz / here.clockKHz - 1) <= clockTolerance;
  if (here.accelerator !== "tcg" || isSameClock) return undefined;
  return `The clock rate of the host has changed since the state was saved (from ${saved.clockKHz} kHz to ${here.clockKHz} kHz)`;
}

/** As for a boot, without paths. */
function argumentsFor(platform: PreparedPlatform, { cpus, memoryMB }: Hardware): string[] {
  return qemuArguments({
    platform: { ...platform, kernel: "", initramfs: "", modules: "" },
    cpus,
    memoryMB,
    ram: "",
    root: { kind: "none" },
    qmpSocket: "",
    agentSocket: "",
    card: platform.nics ? { kind: "tap", name: "" } : { kind: "none" },
    incoming: false,
  });
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 24);
}
