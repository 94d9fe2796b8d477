/** A host's disk that runs full under running sandboxes: none of them ends, and everything can be deleted. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultMemoryMB } from "../../src/contract/sandboxes.ts";
import { run } from "../../src/host/process.ts";
import { databasePath } from "../../src/store/store.ts";
import { fillDisk, fillToTheLastBlock, freeDisk } from "../support/fill-disk.ts";
import { follow } from "../support/follow.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, machineFolder, show } from "../support/sandbox-state.ts";
import { unmount } from "../support/unmount.ts";
import { until } from "../support/until.ts";

let folder: string;
let mount: string;
let daemon: MachineDaemon;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bhatti-space-"));
  mount = join(folder, "mount");
  const disk = join(folder, "disk");
  await run(["truncate", "-s", "2G", disk]);
  await run(["mkfs.ext4", "-q", "-m", "0", disk]);
  await run(["mkdir", mount]);
  await run(["mount", "-o", "loop", disk, mount]);
  daemon = await startMachineDaemon({
    dataDir: join(mount, "data"),
    golden: { copiesOf: [defaultMemoryMB, 256] },
  });
  await daemon.ok("create", "--name", "dev", "--memory", "256");
});
afterAll(async () => {
  await freeDisk(mount);
  await daemon[Symbol.asyncDispose]();
  await unmount(mount);
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => freeDisk(mount));

const touchMemory =
  "head -c 100000000 /dev/zero > /dev/shm/new; wc -c < /dev/shm/new; rm /dev/shm/new";

test("a guest that touches new memory on a full disk is paused, says why, and resumes when there is space", async () => {
  await inGuest(daemon, "dev", "echo kept > /tmp/file");
  const script = `echo begun; sleep 1; ${touchMemory}`;
  const touching = daemon.spawn(["exec", "dev", "--", "sh", "-c", script]);
  const output = follow(touching.stdout);
  // Begun before the disk is full: afterwards it would be refused.
  await until("the command runs", () => output.text.includes("begun"));
  await fillDisk(mount, 60 << 20);
  // Showing the sandbox does not ask the guest, which is paused in the middle of the command.
  const isHeld = async () => (await show(daemon, "dev")).activity.reason.includes("disk is full");
  await until("the machine is paused", isHeld);
  expect(await show(daemon, "dev")).toMatchObject({ status: "running" });
  const refused = await daemon.run(["exec", "dev", "--", "true"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("paused because the host disk is full");
  await freeDisk(mount);
  const resumes = async () => (await daemon.run(["exec", "dev", "--", "true"])).code === 0;
  await until("the machine resumes", resumes);
  expect(await touching.exited).toBe(0);
  await output.ended;
  expect(output.text).toBe("begun\n100000000\n");
  expect(await inGuest(daemon, "dev", "cat /tmp/file")).toBe("kept\n");
}, 300_000);

test("a cold sandbox keeps its saved state on a nearly full disk, and wakes when there is space", async () => {
  await inGuest(daemon, "dev", "echo kept > /dev/shm/state");
  await daemon.ok("stop", "dev");
  await fillDisk(mount, 60 << 10);
  for (const args of [
    ["exec", "dev", "--", "true"],
    ["start", "dev"],
    ["start", "dev", "--force"],
  ]) {
    const refused = await daemon.run(args);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("host disk is nearly full");
    // Neither has run: a VM that the guard has paused shows it.
    const { reason } = (await show(daemon, "dev")).activity;
    expect(reason).not.toContain("disk is full");
  }
  await freeDisk(mount);
  expect(await inGuest(daemon, "dev", "cat /dev/shm/state")).toBe("kept\n");
}, 300_000);

test("destroy works when no block is free, for each of several sandboxes", async () => {
  for (const name of ["a", "b", "c"]) await daemon.ok("create", "--name", name, "--memory", "256");
  await fillToTheLastBlock(mount, daemon.dataDir);
  for (const name of ["a", "b", "c"]) {
    expect(await daemon.run(["destroy", name, "-y"])).toMatchObject({ code: 0 });
    await fillToTheLastBlock(mount, daemon.dataDir);
  }
  const left = await daemon.json<{ name: string }[]>("list");
  expect(left.map(({ name }) => name)).toEqual(["dev"]);
});

test("a killed daemon starts when no block is free, and can destroy", async () => {
  await daemon.ok("create", "--name", "gone", "--memory", "256");
  await fillDisk(mount, 0);
  await daemon.kill("SIGKILL");
  await fillDisk(mount, 0);
  await daemon.restart();
  expect(await daemon.run(["destroy", "gone", "-y"])).toMatchObject({ code: 0 });
});

test("a killed daemon starts and adopts VMs when even the reserve is used up", async () => {
  await daemon.ok("create", "--name", "gone", "--memory", "256");
  await inGuest(daemon, "dev", "echo kept > /dev/shm/file");
  // Without a daemon, nothing pauses a VM before it touches memory that cannot be allocated.
  const memory = join(await machineFolder(daemon, "dev"), "ram");
  await run(["fallocate", "-l", String(256 << 20), memory]);
  await daemon.kill("SIGKILL");
  // A write-ahead log that has grown would have room for the rows.
  using database = new Database(databasePath(daemon.dataDir));
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  await fillToTheLastBlock(mount, daemon.dataDir);
  await daemon.restart();
  expect(await daemon.run(["destroy", "gone", "-y"])).toMatchObject({ code: 0 });
  await freeDisk(mount);
  expect(await inGuest(daemon, "dev", "cat /dev/shm/file")).toBe("kept\n");
});

test("everything in the data and runtime directories is closed to other users", async () => {
  for (const directory of [daemon.dataDir, daemon.runtimeDir]) {
    expect((await stat(directory)).mode & 0o077).toBe(0);
  }
});
