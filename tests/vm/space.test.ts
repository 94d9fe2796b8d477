/** A host's disk that runs full under running sandboxes: none of them ends, and everything can be deleted. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskSpaceOf } from "../../src/host/disk-space.ts";
import { run } from "../../src/host/process.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, show } from "../support/sandbox-state.ts";
import { unmount } from "../support/unmount.ts";
import { until } from "../support/until.ts";

let folder: string;
let mount: string;
let daemon: MachineDaemon;
let filler: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bhatti-space-"));
  mount = join(folder, "mount");
  const disk = join(folder, "disk");
  filler = join(mount, "filler");
  await run(["truncate", "-s", "2G", disk]);
  await run(["mkfs.ext4", "-q", "-m", "0", disk]);
  await run(["mkdir", mount]);
  await run(["mount", "-o", "loop", disk, mount]);
  daemon = await startMachineDaemon({ dataDir: join(mount, "data") });
  await daemon.ok("create", "--name", "dev", "--memory", "512");
});
afterAll(async () => {
  await removeFillers();
  await daemon[Symbol.asyncDispose]();
  await unmount(mount);
  await rm(folder, { recursive: true, force: true });
});
beforeEach(removeFillers);

async function removeFillers(): Promise<void> {
  for (const name of await readdir(mount)) {
    if (name.startsWith("filler")) await rm(join(mount, name));
  }
}

/** Leaves so many bytes free at most: a guest that runs may take some meanwhile. */
async function fill(free: number): Promise<void> {
  const isFilled = async () => {
    const taken = (await diskSpaceOf(mount)).free - free;
    if (taken <= 0) return true;
    const path = `${filler}-${Bun.nanoseconds()}`;
    await run(["fallocate", "-l", String(taken), path]).catch(() => {});
    return false;
  };
  await until("the disk is filled", isFilled);
}

/** Also takes what the daemon's reserve gave back. */
async function fillToTheLastBlock(): Promise<void> {
  const isFull = async () => {
    await fill(1 << 20);
    await run(["sh", "-c", `cat /dev/zero > ${filler}-${Bun.nanoseconds()} 2> /dev/null; true`]);
    await rm(join(daemon.dataDir, "reserve"), { force: true });
    return (await diskSpaceOf(mount)).free === 0;
  };
  await until("no block is free", isFull);
}

const touchMemory = "head -c 150000000 /dev/zero | tail -c 150000000 | wc -c";

test("a guest that touches new memory on a full disk is paused, says why, and resumes when there is space", async () => {
  await inGuest(daemon, "dev", "echo kept > /tmp/file");
  await fill(60 << 20);
  const isHeld = async () =>
    (await daemon.run(["exec", "dev", "--", "sh", "-c", touchMemory])).stderr.includes(
      "paused because the host's disk is full",
    );
  await until("the machine is paused", isHeld);
  expect(await show(daemon, "dev")).toMatchObject({
    status: "running",
    activity: { reason: expect.stringContaining("disk is full") },
  });
  await removeFillers();
  const resumes = async () => (await daemon.run(["exec", "dev", "--", "true"])).code === 0;
  await until("the machine resumes", resumes);
  expect(await inGuest(daemon, "dev", touchMemory)).toBe("150000000\n");
  expect(await inGuest(daemon, "dev", "cat /tmp/file")).toBe("kept\n");
}, 300_000);

test("destroy works when no block is free, for each of several sandboxes", async () => {
  for (const name of ["a", "b", "c"]) await daemon.ok("create", "--name", name, "--memory", "256");
  await fillToTheLastBlock();
  for (const name of ["a", "b", "c"]) {
    expect(await daemon.run(["destroy", name, "-y"])).toMatchObject({ code: 0 });
    await fillToTheLastBlock();
  }
  const left = await daemon.json<{ name: string }[]>("list");
  expect(left.map(({ name }) => name)).toEqual(["dev"]);
});

test("a killed daemon starts when no block is free, and can destroy", async () => {
  await daemon.ok("create", "--name", "gone", "--memory", "256");
  await fill(0);
  await daemon.kill("SIGKILL");
  await fill(0);
  await daemon.restart();
  expect(await daemon.run(["destroy", "gone", "-y"])).toMatchObject({ code: 0 });
});

test("a killed daemon starts when even the reserve is used up", async () => {
  await daemon.ok("create", "--name", "gone", "--memory", "256");
  await daemon.kill("SIGKILL");
  await fillToTheLastBlock();
  await daemon.restart();
  expect(await daemon.run(["destroy", "gone", "-y"])).toMatchObject({ code: 0 });
});

test("everything in the data and runtime directories is closed to other users", async () => {
  for (const directory of [daemon.dataDir, daemon.runtimeDir]) {
    expect((await stat(directory)).mode & 0o077).toBe(0);
  }
});
