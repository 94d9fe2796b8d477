/** Hosts that lack something: clear errors, and nothing left behind. */
import { expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/process.ts";
import { footprint } from "../support/leaks.ts";
import { kernelFolder, prepareDaemon, startMachineDaemon } from "../support/machine-daemon.ts";

const nothing = { processes: [], sockets: [], files: [], rows: 0 };

test("without QEMU the daemon does not start, and says what to install", async () => {
  await using daemon = await prepareDaemon();
  const { code, stderr } = await daemon.run(["serve"], { env: { PATH: "/nowhere" } });
  expect(code).toBe(1);
  expect(stderr).toContain("qemu-system-x86");
});

test("without a kernel the daemon does not start, and says how to get one", async () => {
  await using daemon = await prepareDaemon({ kernel: "/nowhere/kernel" });
  const { code, stderr } = await daemon.run(["serve"]);
  expect(code).toBe(1);
  expect(stderr).toContain('no guest kernel in "/nowhere/kernel"');
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
  await run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", mount]);
  try {
    await using daemon = await startMachineDaemon({ dataDir: join(mount, "data") });
    const { code, stderr } = await daemon.run(["create", "--name", "dev"]);
    expect(code).toBe(1);
    expect(stderr).toContain("Insufficient Storage");
    expect(await footprint(daemon)).toEqual(nothing);
  } finally {
    await run(["umount", mount]);
    await rm(mount, { recursive: true, force: true });
  }
});

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
