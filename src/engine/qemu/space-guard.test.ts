import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSpare, SpaceGuard } from "./space-guard.ts";

test("a VM that cannot be paused leaves the others and the reserve to the guard", async () => {
  const directory = mkdtempSync(join(tmpdir(), "space-guard-"));
  const ram = join(directory, "ram");
  writeFileSync(ram, "");
  truncateSync(ram, 1024 * 1024); // sparse: its guest may touch new memory
  const attempts = { hanging: 0, healthy: 0 };
  const machine = (id: keyof typeof attempts, fails: boolean) => ({
    id,
    paths: { ram },
    isAwake: true,
    async holdForSpace() {
      attempts[id] += 1;
      if (fails) throw new Error("QMP does not answer");
    },
  });
  const warnings: [string, unknown][] = [];
  const released = Promise.withResolvers<void>();
  let releases = 0;
  const guard = new SpaceGuard({
    directory,
    spaceOf: async () => ({ free: 0, total: 1e12 }),
    reserve: {
      fill: async () => {},
      async releaseIfShort() {
        releases += 1;
        if (releases === 2) released.resolve();
        return true;
      },
    },
    machines: () => [machines.hanging, machines.healthy],
    log: {
      debug() {},
      info() {},
      warn: (message, fields) => void warnings.push([message, fields]),
    },
  });
  const machines = { hanging: machine("hanging", true), healthy: machine("healthy", false) };
  guard.start();
  await released.promise;
  guard.close();
  rmSync(directory, { recursive: true });
  expect(attempts).toEqual({ hanging: 2, healthy: 2 });
  expect(warnings.slice(1)).toEqual([
    [
      "cannot pause a VM although the disk is nearly full",
      { machine: "hanging", error: "QMP does not answer" },
    ],
  ]);
});

test("a VM may run on a nearly full disk only if its memory is fully allocated", async () => {
  const directory = mkdtempSync(join(tmpdir(), "space-guard-"));
  const [sparse, allocated] = [join(directory, "sparse"), join(directory, "allocated")];
  writeFileSync(sparse, "");
  truncateSync(sparse, mb);
  writeFileSync(allocated, new Uint8Array(mb));
  let freeMB = 255;
  const guard = new SpaceGuard({
    directory,
    spaceOf: async () => ({ free: freeMB * mb, total: 1e12 }),
    reserve: { fill: async () => {}, releaseIfShort: async () => true },
    machines: () => [],
    log: { debug() {}, info() {}, warn() {} },
  });
  await guard.require({ paths: { ram: allocated } });
  await expect(guard.require({ paths: { ram: sparse } })).rejects.toMatchObject({
    code: "disk_full",
    message: `The VM stays paused because the host disk is nearly full: "${directory}" has 255 MB free, and VMs run when 256 MB are free`,
  });
  freeMB = 256;
  await guard.require({ paths: { ram: sparse } });
  rmSync(directory, { recursive: true });
});

const mb = 1024 * 1024;
const check = (totalMB: number, freeMB: number) =>
  checkSpare("A golden snapshot", 128 * mb, "/data", { total: totalMB * mb, free: freeMB * mb });

test("work in the background needs its space beside the limit at which VMs are paused", () => {
  expect(() => check(100_000, 384)).not.toThrow();
  expect(() => check(100_000, 383)).toThrow(
    'A golden snapshot needs 128 MB of disk space beside the 256 MB below which VMs are paused, but "/data" has 383 MB free',
  );
});

test("on a small disk the limit is 5 % of its size", () => {
  expect(() => check(1_000, 178)).not.toThrow();
  expect(() => check(1_000, 177)).toThrow("beside the 50 MB");
});
