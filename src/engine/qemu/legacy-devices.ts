/**
 * The device hash of machines that were saved before fingerprints covered only what the guest sees: a hash over the
 * whole argument list of that time, which is kept here as it was. Machines that sleep since then still wake.
 */
import { createHash } from "node:crypto";
import type { Hardware } from "../machine-spec.ts";

export function legacyDevices(accelerator: "kvm" | "tcg", { cpus, memoryMB }: Hardware): string {
  const machine = "microvm,acpi=on,isa-serial=on,memory-backend=ram";
  const words = [
    "-nodefaults -no-user-config -display none -no-reboot",
    "-action reboot=shutdown,shutdown=pause,panic=pause",
    accelerator === "kvm"
      ? `-accel kvm -machine ${machine} -cpu host`
      : `-accel tcg -machine ${machine},pit=on,pic=on -cpu max,erms=off`,
    `-smp ${cpus} -m ${memoryMB}M`,
    `-object memory-backend-file,id=ram,size=${memoryMB}M,mem-path=,share=on`,
    "-chardev ringbuf,id=console,size=65536 -serial chardev:console",
    "-chardev socket,id=qmp,path=,server=on,wait=off -mon chardev=qmp,mode=control",
    disk("root", "driver=qcow2,discard=unmap,file.driver=file,file.locking=off,file.filename=", 23),
    disk("modules", "driver=raw,read-only=on,file.driver=file,file.filename=", 22),
    ...Array.from({ length: 8 }, (_, index) =>
      disk(`volume${index}`, "driver=null-co,size=0,read-zeroes=on", 21 - index),
    ),
    "-chardev socket,id=agent,path=,server=on,wait=off",
    "-device virtio-serial-device,id=serial0,max_ports=2,bus=virtio-mmio-bus.13",
    "-device virtserialport,bus=serial0.0,nr=1,chardev=agent,name=bhatti.agent",
    "-netdev hubport,id=net0,hubid=0",
    "-device virtio-net-device,netdev=net0,mac=52:54:00:62:68:01,bus=virtio-mmio-bus.12",
    "-object rng-random,id=rng0,filename=/dev/urandom",
    "-device virtio-rng-device,rng=rng0,bus=virtio-mmio-bus.11",
    "-device virtio-balloon-device,id=balloon,free-page-reporting=on,bus=virtio-mmio-bus.10",
    "-S -incoming defer",
  ].flatMap((line) => line.split(" "));
  return createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 24);
}

function disk(node: string, block: string, slot: number): string {
  const device = `virtio-blk-device,id=${node}-disk,drive=${node},bus=virtio-mmio-bus.${slot}`;
  return `-blockdev node-name=${node},${block} -device ${device}`;
}
