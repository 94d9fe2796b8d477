/**
 * The devices of every machine, laid out once: a snapshot's devices cannot change, and nothing can be plugged into
 * `microvm`. Each has its virtio slot named, so that the guest finds the same disks under the same names everywhere;
 * the guest's kernel meets the highest slot first, so the root disk in it is vda.
 */
import type { Backend, CardBackend } from "./command-line.ts";

/** Empty disks that a later attach turns into volumes. */
export const volumeSlots = 8;

/** The name of the root disk's node in QMP. */
export const rootNode = "root";
/** The name of its device. */
export const rootDiskId = `${rootNode}-disk`;
export const rootDevice = "vda";

const slots = {
  root: 23,
  modules: 22,
  volumes: 21,
  serial: 21 - volumeSlots,
  net: 20 - volumeSlots,
  random: 19 - volumeSlots,
  balloon: 18 - volumeSlots,
};

export interface DeviceFiles {
  root: Backend;
  modules: string;
  agentSocket: string;
  card: CardBackend;
}

export function deviceArguments(files: DeviceFiles): string[] {
  return [
    ...disk(rootNode, rootBlock(files.root), slots.root),
    ...disk(
      "modules",
      `driver=raw,read-only=on,file.driver=file,file.filename=${value(files.modules)}`,
      slots.modules,
    ),
    ...volumePlaceholders(),
    ...serial(files.agentSocket),
    ...networkCard(files.card),
    ...["-object", "rng-random,id=rng0,filename=/dev/urandom"],
    ...device("virtio-rng-device,rng=rng0", slots.random),
    ...device("virtio-balloon-device,id=balloon,free-page-reporting=on", slots.balloon),
  ];
}

function rootBlock(root: Backend): string {
  if (root.kind === "none") return "driver=null-co,size=0,read-zeroes=on";
  // One process has one machine's disk, and a clone's base is never written: no locks needed, and none in the way.
  return `driver=qcow2,discard=unmap,file.driver=file,file.locking=off,file.filename=${value(root.path)}`;
}

function disk(node: string, block: string, slot: number): string[] {
  return [
    "-blockdev",
    `node-name=${node},${block}`,
    ...device(`virtio-blk-device,id=${node}-disk,drive=${node}`, slot),
  ];
}

function volumePlaceholders(): string[] {
  return Array.from({ length: volumeSlots }, (_, index) =>
    disk(`volume${index}`, "driver=null-co,size=0,read-zeroes=on", slots.volumes - index),
  ).flat();
}

function serial(socket: string): string[] {
  return [
    ...["-chardev", `socket,id=agent,path=${value(socket)},server=on,wait=off`],
    ...device("virtio-serial-device,id=serial0,max_ports=2", slots.serial),
    ...["-device", "virtserialport,bus=serial0.0,nr=1,chardev=agent,name=bhatti.agent"],
  ];
}

/**
 * With a tap the guest leaves checksums and segmentation to the host, which no other back end offers. `csum=on` is the
 * default; it is written so that the fingerprint tells such a card from one that a host without taps can load.
 */
function networkCard(card: CardBackend): string[] {
  const isTap = card.kind === "tap";
  const backend = isTap
    ? `tap,id=net0,ifname=${card.name},script=no,downscript=no`
    : "hubport,id=net0,hubid=0";
  const model = "virtio-net-device,netdev=net0,mac=52:54:00:62:68:01";
  return ["-netdev", backend, ...device(isTap ? `${model},csum=on` : model, slots.net)];
}

function device(description: string, slot: number): string[] {
  return ["-device", `${description},bus=virtio-mmio-bus.${slot}`];
}

/** QEMU separates options by commas; a comma in a value is doubled. */
export function value(text: string): string {
  return text.replaceAll(",", ",,");
}
