/** Sandboxes on a host's disk that is full: nothing is lost, and with space they go on. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/process.ts";
import { fillDisk, fillToTheLastBlock, freeDisk } from "../support/fill-disk.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, machineFolder, show } from "../support/sandbox-state.ts";
import { unmount } from "../support/unmount.ts";
import { until } from "../support/until.ts";

let mount: string;
let small: MachineDaemon;
beforeAll(async () => {
  mount = await mkdtemp(join(tmpdir(), "bhatti-full-"));
  await run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", mount]);
  small = await startMachineDaemon({ dataDir: join(mount, "data") });
  await small.ok("create", "--name", "dev", "--memory", "256");
  // All of its memory is on the disk already, so that it can run on.
  const ram = join(await machineFolder(small, "dev"), "ram");
  await run(["fallocate", "-l", String(256 << 20), ram]);
  await inGuest(small, "dev", "echo kept > /tmp/file; sync; sleep 1; sync");
  await footprint(small); // no golden snapshot is being made any more
});
afterAll(async () => {
  await freeDisk(mount);
  await small[Symbol.asyncDispose]();
  await unmount(mount);
  await rm(mount, { recursive: true, force: true });
});
afterEach(() => freeDisk(mount));

/** A few blocks are left, so that the guest can be told. */
const fill = () => fillDisk(mount, 32 * 1024, small.dataDir);

test("a sandbox does not stop but runs on, and says why; with space it stops", async () => {
  await fill();
  const stopped = await small.run(["stop", "dev"]);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain("Insufficient Storage");
  expect(await inGuest(small, "dev", "cat /tmp/file")).toBe("kept\n");
  expect(await show(small, "dev")).toMatchObject({ status: "running", thermal: "hot" });
  await freeDisk(mount);
  await small.ok("stop", "dev");
  expect(await inGuest(small, "dev", "cat /tmp/file")).toBe("kept\n");
});

test("one that has written more than there is room for stands still until there is, and loses nothing", async () => {
  // The guest's kernel keeps what was written for some seconds before it writes it to the disk.
  const written = "head -c 4000000 /dev/urandom | tee /tmp/much | sha256sum";
  const hash = await inGuest(small, "dev", written);
  await fill();
  const stopped = await small.run(["stop", "dev"]);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain("Insufficient Storage");
  await freeDisk(mount);
  const hasSpace = async () => (await small.run(["stop", "dev"])).code === 0;
  await until("it stops", hasSpace);
  expect(await inGuest(small, "dev", "sha256sum < /tmp/much")).toBe(hash);
});

test("one that stands still for want of space when the daemon is killed goes on under the next", async () => {
  // The guest's kernel does not write it to the disk before it is told to.
  const waits = "sudo sh -c 'echo 0 > /proc/sys/vm/dirty_writeback_centisecs'";
  const written = "head -c 8000000 /dev/urandom | tee /workspace/more | sha256sum";
  const hash = await inGuest(small, "dev", `${waits}; ${written}`);
  const spare = join(mount, "spare"); // what a daemon needs to start
  await run(["fallocate", "-l", String(1 << 20), spare]);
  await fill();
  small.spawn(["exec", "dev", "--", "sync"]);
  const standsStill = async () =>
    (await small.run(["exec", "dev", "--", "true"])).stderr.includes("paused because");
  await until("it stands still", standsStill);
  await small.kill("SIGKILL");
  await rm(spare);
  await small.restart();
  expect(await show(small, "dev")).toMatchObject({ status: "running" });
  expect(await standsStill()).toBe(true);
  await freeDisk(mount);
  const goesOn = async () => (await small.run(["exec", "dev", "--", "sync"])).code === 0;
  await until("it goes on", goesOn);
  expect(await inGuest(small, "dev", "sha256sum < /workspace/more")).toBe(hash);
  expect((await show(small, "dev")).engine_meta["reason"]).toBeUndefined();
}, 300_000);

test("a sandbox is destroyed although nothing more can be written, and makes the room that it took", async () => {
  await small.ok("create", "--name", "gone", "--memory", "256");
  // A database that has just been opened has no room left over from what it wrote before.
  await small.kill("SIGTERM");
  await small.restart();
  await fillToTheLastBlock(mount, small.dataDir);
  await small.ok("destroy", "gone", "-y");
  expect(await small.wholeLog()).toContain("cannot store the intent to destroy a sandbox");
  await freeDisk(mount);
  expect((await small.json<unknown[]>("list")).length).toBe(1);
});
