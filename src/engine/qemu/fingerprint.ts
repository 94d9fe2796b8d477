/** All that a saved device state depends on: QEMU takes it back only where these are the same. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Hardware } from "../machine-spec.ts";
import { qemuArguments } from "./command-line.ts";
import type { PreparedPlatform } from "./platform.ts";

export const Fingerprint = z.object({
  qemu: z.string(),
  accelerator: z.string(),
  /** The processor that the guest saw: the host's own under KVM. */
  cpu: z.string(),
  /** A hash over the machine, its devices and their slots. */
  devices: z.string(),
  /** Kernel and modules: the modules disk stays mounted. */
  kernel: z.string(),
  /** Under TCG the guest was told the host's rate, in kHz. */
  clockKHz: z.number(),
  /** Of the agent that lives in the saved memory. For people: an older one is spoken to as well. */
  agent: z.string(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

/** A rate that differs by less than this lets a day be 9 s too long at most. */
const clockTolerance = 0.0001;

export function fingerprintOf(platform: PreparedPlatform, hardware: Hardware): Fingerprint {
  const line = qemuArguments({
    platform: { ...platform, kernel: "", initramfs: "", modules: "" },
    cpus: hardware.cpus,
    memoryMB: hardware.memoryMB,
    ram: "",
    root: { kind: "overlay", path: "" },
    qmpSocket: "",
    agentSocket: "",
    incoming: true,
  });
  return {
    qemu: platform.qemuVersion,
    accelerator: platform.accelerator,
    cpu: platform.cpu,
    devices: createHash("sha256").update(JSON.stringify(line)).digest("hex").slice(0, 24),
    kernel: platform.kernelDigest,
    clockKHz: platform.clockKHz,
    agent: platform.initramfsDigest,
  };
}

/** Why a state that was saved with one cannot be loaded with the other; undefined when it can. */
export function incompatibility(saved: Fingerprint, here: Fingerprint): string | undefined {
  const told: [keyof Fingerprint, string][] = [
    ["qemu", "QEMU"],
    ["accelerator", "the accelerator"],
    ["cpu", "the processor"],
    ["devices", "the machine's devices"],
    ["kernel", "the guest kernel's files"],
  ];
  for (const [key, what] of told) {
    if (saved[key] !== here[key]) {
      return `${what} is another than when it was saved (then ${saved[key]}, now ${here[key]})`;
    }
  }
  const isSameClock = Math.abs(saved.clockKHz / here.clockKHz - 1) <= clockTolerance;
  if (here.accelerator !== "tcg" || isSameClock) return undefined;
  return `the host's clock has another rate than when it was saved (then ${saved.clockKHz} kHz, now ${here.clockKHz} kHz)`;
}
