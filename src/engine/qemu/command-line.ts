/** What a machine is made of → QEMU's arguments. Pure. */
import { deviceArguments, value } from "./devices.ts";

/** What lies behind the root disk: nothing yet, or an overlay. */
export type Backend = { kind: "none" } | { kind: "overlay"; path: string };

/** What the network card is connected to on the host. */
export type CardBackend = { kind: "none" } | { kind: "tap"; name: string };

export interface Platform {
  accelerator: "kvm" | "tcg";
  /** The host's time-stamp counter in kHz; TCG passes it through, so the guest must be told. */
  clockKHz: number;
  kernel: string;
  initramfs: string;
  modules: string;
}

export interface CommandLine {
  platform: Platform;
  cpus: number;
  memoryMB: number;
  ram: string;
  root: Backend;
  qmpSocket: string;
  agentSocket: string;
  card: CardBackend;
  /** Wait for a state to be loaded instead of booting. */
  incoming: boolean;
}

export function qemuArguments(line: CommandLine): string[] {
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-action", "reboot=shutdown,shutdown=pause,panic=pause"],
    ...machineArguments(line.platform),
    ...["-smp", String(line.cpus), "-m", `${line.memoryMB}M`],
    ...[
      "-object",
      `memory-backend-file,id=ram,size=${line.memoryMB}M,mem-path=${value(line.ram)},share=on`,
    ],
    ...(line.incoming ? [] : kernelArguments(line.platform)),
    // In memory and of a fixed size: a guest that floods its console costs nothing.
    ...["-chardev", "ringbuf,id=console,size=65536", "-serial", "chardev:console"],
    ...["-chardev", `socket,id=qmp,path=${value(line.qmpSocket)},server=on,wait=off`],
    ...["-mon", "chardev=qmp,mode=control"],
    ...deviceArguments({
      root: line.root,
      modules: line.platform.modules,
      agentSocket: line.agentSocket,
      card: line.card,
    }),
    // A restored guest waits until everything of it is in place.
    ...(line.incoming ? ["-S", "-incoming", "defer"] : []),
  ];
}

/** Only for a boot: a restored guest has its kernel in memory, and QEMU would keep 40 MB for a second one. */
function kernelArguments(platform: Platform): string[] {
  const { kernel, initramfs } = platform;
  return ["-kernel", kernel, "-initrd", initramfs, "-append", kernelCommandLine(platform)];
}

function machineArguments(platform: Platform): string[] {
  const machine = "microvm,acpi=on,isa-serial=on,memory-backend=ram";
  if (platform.accelerator === "kvm") {
    return ["-accel", "kvm", "-machine", machine, "-cpu", "host"];
  }
  // Without these two timers a guest under TCG sometimes finds no clock source and hangs. With erms the guest's kernel
  // clears and copies memory a byte at a time, which TCG really does: 1.1 ms instead of 0.13 ms for 256 KB.
  return ["-accel", "tcg", "-machine", `${machine},pit=on,pic=on`, "-cpu", "max,erms=off"];
}

function kernelCommandLine(platform: Platform): string {
  const words = [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "reboot=t",
    "rdinit=/init",
    "random.trust_cpu=on",
    "audit=0",
    "apparmor=0",
  ];
  if (platform.accelerator === "tcg") {
    // The counter is the host's own; without the second word a guest on a busy host loses faith in it.
    words.push(`tsc_early_khz=${platform.clockKHz}`, "tsc=reliable");
    // Measured in docs/decisions/0003-emulated-guests-are-tuned-for-emulation.md.
    words.push("mitigations=off", "norandmaps");
  }
  return words.join(" ");
}
