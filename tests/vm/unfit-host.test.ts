/** Hosts that lack something: clear errors, and nothing left behind. */
import { expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/process.ts";
import { footprint } from "../support/leaks.ts";
import { kernelFolder, prepareDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { unmount } from "../support/unmount.ts";
import { until } from "../support/until.ts";

const nothing = { processes: [], sockets: [], files: [], rows: 0 };

test("without QEMU the daemon does not start, and says what to install", async () => {
  await using daemon = await prepareDaemon();
  const { code, stderr } = await daemon.run(["serve"], { env: { PATH: "/nowhere" } });
  expect(code).toBe(1);
  expect(stderr).toContain("qemu-system-x86");
});

test("without qemu-img the daemon does not start, and says what to install", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-path-"));
  try {
    // A name that is in both is taken from the first; ln says so by its exit code.
    await run([
      "sh",
      "-c",
      `ln -s /usr/bin/* /usr/sbin/* ${folder}/ 2>/dev/null; rm ${folder}/qemu-img`,
    ]);
    await using daemon = await prepareDaemon();
    const { code, stderr } = await daemon.run(["serve"], { env: { PATH: folder } });
    expect(code).toBe(1);
    expect(stderr).toContain("qemu-img");
    expect(stderr).toContain("apt-get install qemu-utils");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("without a kernel the daemon does not start, and says how to get one", async () => {
  await using daemon = await prepareDaemon({ kernel: "/nowhere/kernel" });
  const { code, stderr } = await daemon.run(["serve"]);
  expect(code).toBe(1);
  expect(stderr).toContain('No guest kernel in "/nowhere/kernel"');
});

test("an unknown image is named, with how to build one", async () => {
  await using daemon = await startMachineDaemon();
  const { code, stderr } = await daemon.run(["create", "--image", "nope"]);
  expect(code).toBe(1);
  expect(stderr).toContain('"nope"');
  expect(await footprint(daemon)).toEqual(nothing);
});

test("an image whose file is gone is a failure that leaves nothing", async () => {
  await using daemon = await startMachineDaemon();
  await run(["sh", "-c", `rm ${daemon.dataDir}/images/*.ext4`]);
  const { code, stderr } = await daemon.run(["create", "--name", "dev"]);
  expect(code).toBe(1);
  expect(stderr).not.toBe("");
  expect(await footprint(daemon)).toEqual(nothing);
});

test("a guest that never answers fails by a deadline, with the console's end", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-mute-"));
  try {
    // A kernel without the module that the agent's line needs: it boots, and then nobody hears of it.
    for (const file of ["vmlinux", "modules.img", "kernel.json"]) {
      await symlink(join(kernelFolder, file), join(folder, file));
    }
    await mkdir(join(folder, "modules"));
    await writeFile(join(folder, "modules/order"), "");
    await using daemon = await startMachineDaemon({ kernel: folder });
    const { code, stderr } = await daemon.run(["create", "--name", "mute"]);
    expect(code).toBe(1);
    expect(stderr).toContain("console");
    expect(await footprint(daemon)).toEqual(nothing);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a full disk is named, and a create on it leaves nothing", async () => {
  const mount = await mkdtemp(join(tmpdir(), "bhatti-full-"));
  await run(["mount", "-t", "tmpfs", "-o", "size=204m", "tmpfs", mount]);
  try {
    await using daemon = await startMachineDaemon({ dataDir: join(mount, "data") });
    const { code, stderr } = await daemon.run(["create", "--name", "dev"]);
    expect(code).toBe(1);
    expect(stderr).toContain("Insufficient Storage");
    expect(await footprint(daemon)).toEqual(nothing);
    // Beside the image, 133 MB are free: enough for this memory, but not for a golden snapshot.
    const small = await daemon.run(["create", "--name", "dev", "--memory", "128"]);
    expect(small.stderr).toContain("A golden snapshot needs 128 MB of disk space");
    expect(await footprint(daemon)).toEqual(nothing);
  } finally {
    await unmount(mount);
    await rm(mount, { recursive: true, force: true });
  }
});

test("a disk that is full when a machine's own disk is made is named, and nothing is left", async () => {
  const mount = await mkdtemp(join(tmpdir(), "bhatti-full-"));
  const ram = await mkdtemp(join(tmpdir(), "bhatti-ram-"));
  await run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", mount]);
  try {
    // With the memory elsewhere, the look at the free space finds enough of it.
    const config = [`ram_dir: ${ram}`];
    await using daemon = await startMachineDaemon({ dataDir: join(mount, "data"), config });
    await daemon.ok("create", "--name", "first");
    await daemon.ok("destroy", "first", "-y");
    const made = () => daemon.log().split('"golden snapshot created"').length - 1;
    await until("both snapshots are made", () => made() === 2);
    // Some pages for the database; an empty disk takes more.
    await fill(mount, 160);
    const { code, stderr } = await daemon.run(["create", "--name", "dev"]);
    expect(code).toBe(1);
    expect(stderr).toContain("Insufficient Storage");
    expect(stderr).toContain("no space left");
    expect(await footprint(daemon)).toEqual(nothing);
    expect((await readdir(ram, { recursive: true })).filter((name) => name.includes("/"))).toEqual(
      [],
    );
    await rm(join(mount, "filler"));
    await daemon.ok("create", "--name", "dev");
  } finally {
    await unmount(mount);
    for (const folder of [mount, ram]) await rm(folder, { recursive: true, force: true });
  }
});

/** Leaves so many KiB free. */
async function fill(mount: string, kibibytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(mount);
  const bytes = bavail * bsize - kibibytes * 1024;
  await run(["fallocate", "-l", String(bytes), join(mount, "filler")]);
}

test("KVM is used only when a guest boots with it; asked for where none does, the daemon does not start", async () => {
  await using automatic = await startMachineDaemon({ accelerator: "auto" });
  const { accelerator, accelerator_reason } = await automatic.json<{
    accelerator: string;
    accelerator_reason: string;
  }>("version");
  expect(accelerator_reason).not.toBe("");
  await using strict = await prepareDaemon({ accelerator: "kvm" });
  if (accelerator === "kvm") return void (await strict.restart());
  const { code, stderr } = await strict.run(["serve"]);
  expect(code).toBe(1);
  expect(stderr).toContain("KVM");
});
