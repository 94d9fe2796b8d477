import { describe, expect, test } from "bun:test";
import { type CommandLine, qemuArguments } from "./command-line.ts";
import { type Fingerprint, fingerprintOf, goldenKeyOf, incompatibility } from "./fingerprint.ts";
import { guestView, visibilityOf } from "./guest-view.ts";
import type { PreparedPlatform } from "./platform.ts";

const platform: PreparedPlatform = {
  hostId: "host_1",
  accelerator: "tcg",
  acceleratorReason: "",
  clockKHz: 2_000_000,
  kernel: "/k/vmlinux",
  initramfs: "/k/initramfs",
  modules: "/k/modules.img",
  tool: "/c/lohar",
  nics: undefined,
  qemuVersion: "7.2.0",
  cpu: "emulated",
  kernelDigest: "k1",
  initramfsDigest: "i1",
};
const hardware = { cpus: 1, memoryMB: 512 };
const line: CommandLine = {
  platform,
  ...hardware,
  ram: "/m/ram",
  root: { kind: "overlay", path: "/m/disk.qcow2" },
  qmpSocket: "/r/qmp",
  agentSocket: "/r/agent",
  card: { kind: "none" },
  incoming: false,
};

const visible = ["-machine", "-cpu", "-smp", "-m", "-device"];

describe("every argument of QEMU, changed in turn", () => {
  const words = qemuArguments(line);
  const values = words.flatMap((word, index) =>
    word.startsWith("-") ? [] : [{ index, flag: words[index - 1] ?? "" }],
  );
  test.each(values)("$flag at $index", ({ index, flag }) => {
    const changed = words.with(index, `${words[index]},other=1`);
    const isVisible = JSON.stringify(guestView(changed)) !== JSON.stringify(guestView(words));
    expect(isVisible).toBe(visible.includes(flag));
  });
});

test("back ends, paths, buffer sizes, network types and confinement are not visible", () => {
  const swaps: [string, string][] = [
    ["ringbuf,id=console,size=65536", "ringbuf,id=console,size=1048576"],
    ["hubport,id=net0,hubid=0", "tap,id=net0,ifname=bh0,script=no,downscript=no"],
    ["path=/r/agent", "path=/elsewhere/agent"],
    ["node-name=volume0,driver=null-co,size=0,read-zeroes=on", "node-name=volume0,driver=raw"],
    ["mem-path=/m/ram,share=on", "mem-path=/dev/shm/ram,share=on,prealloc=on"],
    ["drive=volume0", "drive=data0"],
    ["filename=/dev/urandom", "filename=/dev/random"],
  ];
  const words = qemuArguments(line);
  const view = guestView(words);
  for (const [from, to] of swaps) {
    expect(words.some((word) => word.includes(from))).toBeTrue();
    expect(guestView(words.map((word) => word.replace(from, to)))).toEqual(view);
  }
  expect(guestView([...words, "-sandbox", "on,spawn=deny"])).toEqual(view);
});

test("a device that is added, removed, moved or changed is visible", () => {
  const words = qemuArguments(line);
  const view = guestView(words);
  const swaps: [string, string][] = [
    ["virtio-mmio-bus.12", "virtio-mmio-bus.9"],
    ["free-page-reporting=on", "free-page-reporting=off"],
    ["mac=52:54:00:62:68:01", "mac=52:54:00:62:68:02"],
    ["erms=off", "erms=on"],
    ["virtio-rng-device", "virtio-crypto-device"],
    ["name=bhatti.agent", "name=other"],
  ];
  for (const [from, to] of swaps) {
    expect(guestView(words.map((word) => word.replace(from, to)))).not.toEqual(view);
  }
  expect(guestView([...words, "-device", "pvpanic"])).not.toEqual(view);
  expect(guestView(words.slice(0, -2))).not.toEqual(view);
});

test("an option that is not classified is refused", () => {
  expect(() => guestView([...qemuArguments(line), "-global", "x"])).toThrow("-global");
  expect(Object.keys(visibilityOf)).toContain("-netdev");
});

test.each<[string, Partial<PreparedPlatform>, boolean, boolean]>([
  // The change, whether saved states stay loadable, whether golden snapshots stay usable.
  ["paths", { kernel: "/other", initramfs: "/other", modules: "/other", tool: "/o" }, true, true],
  ["the owner", { hostId: "host_2" }, true, true],
  ["the reason for the accelerator", { acceleratorReason: "asked for" }, true, true],
  ["the agent", { initramfsDigest: "i2" }, true, false],
  ["a clock rate within the tolerance", { clockKHz: 2_000_100 }, true, false],
  ["the clock rate", { clockKHz: 2_100_000 }, false, false],
  ["QEMU", { qemuVersion: "8.0.0" }, false, false],
  ["the processor", { cpu: "other" }, false, false],
  ["the kernel", { kernelDigest: "k2" }, false, false],
  ["the accelerator", { accelerator: "kvm" }, false, false],
])("changing %s", (_, change, staysLoadable, staysGolden) => {
  const other = { ...platform, ...change };
  const saved = fingerprintOf(platform, hardware);
  expect(incompatibility(saved, other, hardware) === undefined).toBe(staysLoadable);
  expect(goldenKeyOf(other, hardware) === goldenKeyOf(platform, hardware)).toBe(staysGolden);
});

test("other hardware and another agent protocol are incompatible", () => {
  const saved = fingerprintOf(platform, hardware);
  expect(incompatibility(saved, platform, { cpus: 2, memoryMB: 512 })).toContain("devices");
  expect(incompatibility({ ...saved, protocol: 2 }, platform, hardware)).toContain("protocol");
});

test("a golden snapshot with an image's root differs from one without, and from another image's", () => {
  const image = (digest: string) => ({ ...hardware, image: { name: "x", digest, path: "/x" } });
  const keys = [hardware, image("a"), image("b")].map((shape) => goldenKeyOf(platform, shape));
  expect(new Set(keys).size).toBe(3);
});

/** Device hashes that the build before guest views wrote for these machines. */
test.each<[PreparedPlatform["accelerator"], number, number, string]>([
  ["tcg", 1, 512, "fa82e80642d1a3bac28f9f00"],
  ["tcg", 2, 1024, "1a6869e43dc42e5a0646132c"],
  ["kvm", 1, 512, "b91deb545d7292c4c1f04521"],
  ["kvm", 2, 1024, "b650f4bfdd3a184652f8f2e4"],
])(
  "a machine that an earlier build saved under %s with %d CPUs still wakes",
  (accelerator, cpus, memoryMB, devices) => {
    const here = { ...platform, accelerator };
    const { protocol: _, ...earlier } = fingerprintOf(here, { cpus, memoryMB });
    const saved: Fingerprint = { ...earlier, devices, protocol: 1 };
    expect(incompatibility(saved, here, { cpus, memoryMB })).toBeUndefined();
    const other = { ...saved, devices: "0".repeat(24) };
    expect(incompatibility(other, here, { cpus, memoryMB })).toContain("devices");
  },
);
