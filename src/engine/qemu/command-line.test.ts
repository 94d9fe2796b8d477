import { expect, test } from "bun:test";
import { type CommandLine, qemuArguments } from "./command-line.ts";

const line: CommandLine = {
  platform: {
    accelerator: "tcg",
    clockKHz: 2_000_000,
    kernel: "/k/vmlinux",
    initramfs: "/k/initramfs",
    modules: "/k/modules.img",
  },
  cpus: 2,
  memoryMB: 512,
  ram: "/m/ram",
  root: { kind: "overlay", path: "/m/disk,1.qcow2" },
  qmpSocket: "/r/qmp",
  agentSocket: "/r/agent",
  card: { kind: "none" },
  incoming: false,
};

function valueAfter(flag: string, args: string[]): string {
  return args[args.indexOf(flag) + 1] ?? "";
}

test("memory is a shared file, and the processors are as many as asked for", () => {
  const args = qemuArguments(line);
  expect(args).toContain("memory-backend-file,id=ram,size=512M,mem-path=/m/ram,share=on");
  expect(valueAfter("-smp", args)).toBe("2");
  expect(valueAfter("-machine", args)).toContain("memory-backend=ram");
});

test("under TCG the guest is told the clock rate, and has timers to fall back on", () => {
  const args = qemuArguments(line);
  expect(valueAfter("-append", args)).toContain("tsc_early_khz=2000000");
  expect(valueAfter("-machine", args)).toContain("pit=on,pic=on");
});

test("under KVM the guest keeps mitigations and random addresses, and has the host's clock", () => {
  const args = qemuArguments({ ...line, platform: { ...line.platform, accelerator: "kvm" } });
  expect(valueAfter("-append", args)).not.toMatch(/mitigations|norandmaps|tsc_early/);
  expect(valueAfter("-cpu", args)).toBe("host");
});

test("a comma in a path does not end the option", () => {
  const root = qemuArguments(line).find((word) => word.startsWith("node-name=root"));
  expect(root).toContain("file.filename=/m/disk,,1.qcow2");
});

test("the devices and their slots do not depend on what lies behind them", () => {
  const slots = (words: string[]) => words.filter((word) => word.includes("virtio-mmio-bus."));
  const bare = qemuArguments({ ...line, root: { kind: "none" }, incoming: true });
  expect(slots(bare)).toEqual(slots(qemuArguments(line)));
  expect(slots(bare)).toHaveLength(14);
  expect(new Set(slots(bare).map((word) => word.match(/bus\.(\d+)/)?.[1])).size).toBe(14);
});

test("a machine that is to be restored waits, paused, and needs no kernel", () => {
  expect(qemuArguments({ ...line, incoming: true })).not.toContain("-kernel");
  expect(qemuArguments({ ...line, incoming: true }).slice(-3)).toEqual([
    "-S",
    "-incoming",
    "defer",
  ]);
  expect(qemuArguments(line)).not.toContain("-incoming");
});
