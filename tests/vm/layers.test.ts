/** What is written before and after snapshots is on the disk, not only in the guest's memory. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdir, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { chainOf, type Layer } from "../../src/disks/chain.ts";
import { freezeTop } from "../../src/disks/layers.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { machineFolder } from "../support/sandbox-state.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => daemon.ok("exec", name, "--", "sh", "-c", script);
const write = (name: string, file: string) =>
  exec(name, `head -c 300000 /dev/urandom > /workspace/${file}; sync; md5sum /workspace/${file}`);
const sums = (name: string) => exec(name, "md5sum /workspace/f*");
const dropCaches = (name: string) =>
  exec(name, "sync; echo 3 | sudo tee /proc/sys/vm/drop_caches > /dev/null");
const diskOf = async (name: string) => join(await machineFolder(daemon, name), "disk");
const own = (chain: Layer[]) => chain.filter(({ isOwn }) => isOwn);

/** Each adds a layer that nothing else needs any more. Returns what `sums` then says. */
async function snapshotsThatGo(name: string, rounds: number[]): Promise<string> {
  for (const round of rounds) {
    await write(name, `f${round}`);
    // Also what is written a second time, and what is taken away.
    await exec(name, "head -c 100000 /dev/urandom > /workspace/f-again; rm -f /workspace/f-gone");
    await exec(name, `head -c 200000 /dev/urandom > /workspace/f-gone${round % 2 ? "" : "-not"}`);
    await daemon.ok("snapshot", "create", name, "--name", `${name}-${round}`);
    await daemon.ok("snapshot", "delete", `${name}-${round}`, "-y");
  }
  return await sums(name);
}

const keepsMemory = (name: string) =>
  exec(name, "sleep 98765 > /dev/null 2>&1 & echo $! > /tmp/pid; echo kept > /tmp/file");
const hasMemory = async (name: string) =>
  expect(await exec(name, "cat /tmp/file; grep -c 98765 /proc/$(cat /tmp/pid)/cmdline")).toBe(
    "kept\n1\n",
  );

/** Nothing of its memory is left: what comes up is what was on the disk. */
async function bootFromDisk(name: string): Promise<void> {
  const { engine_id } = await daemon.json<Sandbox>("inspect", name);
  const record = Bun.file(join(daemon.dataDir, "sandboxes", engine_id, "machine.json"));
  process.kill(((await record.json()) as { pid: number }).pid, "SIGKILL");
  await until("its end is noticed", async () => {
    return (await daemon.json<Sandbox>("inspect", name)).status !== "running";
  });
  await daemon.ok("start", name);
}

test("files from before, between and after snapshots survive the loss of the memory", async () => {
  await daemon.ok("create", "--name", "dev", "--memory", "256");
  const written = [await write("dev", "f1")];
  for (const round of [2, 3]) {
    await daemon.ok("snapshot", "create", "dev", "--name", `snap${round}`);
    written.push(await write("dev", `f${round}`));
  }
  await bootFromDisk("dev");
  expect(await sums("dev")).toBe(written.join(""));
  await daemon.ok("snapshot", "resume", "snap3", "--name", "copy");
  written.pop();
  expect(await sums("copy")).toBe(written.join(""));
  await bootFromDisk("copy");
  expect(await sums("copy")).toBe(written.join(""));
});

test("layers that nothing else needs are merged when it stops, and its memory and disk are as before", async () => {
  await daemon.ok("create", "--name", "many", "--memory", "256");
  await keepsMemory("many");
  const written = await snapshotsThatGo("many", [1, 2, 3, 4, 5, 6]);
  const disk = await diskOf("many");
  expect(own(await chainOf(disk)).length).toBeGreaterThanOrEqual(7);
  await writeFile(join(disk, "layer-0123456789abcdef.qcow2"), "of a daemon that was killed");
  await daemon.ok("stop", "many");
  const chain = await chainOf(disk);
  expect(own(chain)).toHaveLength(1);
  const needed = [...chain.map(({ name }) => name), "top"];
  expect((await readdir(disk)).sort()).toEqual(needed.sort());
  const record = await readFile(join(disk, "../suspension.json"), "utf8");
  expect(JSON.parse(record).layers).toEqual(
    Object.fromEntries(chain.map(({ name, bytes }) => [name, bytes])),
  );

  await hasMemory("many");
  await dropCaches("many");
  expect(await sums("many")).toBe(written);
  const again = await snapshotsThatGo("many", [7, 8]);
  await dropCaches("many");
  expect(await sums("many")).toBe(again);
  await bootFromDisk("many");
  expect(await sums("many")).toBe(again);
});

test("what a snapshot needs stays as it is, and it resumes with its content", async () => {
  await daemon.ok("create", "--name", "source", "--memory", "256");
  await keepsMemory("source");
  const before = await snapshotsThatGo("source", [1, 2]);
  await daemon.ok("snapshot", "create", "source", "--name", "live");
  const disk = await diskOf("source");
  const shared = (await chainOf(disk)).slice(1);
  const stamps = async () =>
    await Promise.all(shared.map(async ({ name }) => (await stat(join(disk, name))).mtimeMs));
  const written = await stamps();
  const after = await snapshotsThatGo("source", [3, 4, 5, 6, 7]);
  await daemon.ok("stop", "source");
  expect((await chainOf(disk)).slice(1)).toEqual(shared);
  expect(await stamps()).toEqual(written);
  await hasMemory("source");
  await dropCaches("source");
  expect(await sums("source")).toBe(after);
  await daemon.ok("snapshot", "resume", "live", "--name", "twin");
  await hasMemory("twin");
  await dropCaches("twin");
  expect(await sums("twin")).toBe(before);
  await bootFromDisk("twin");
  expect(await sums("twin")).toBe(before);
});

test("captures of one that is stopped do not let its layers grow either", async () => {
  await daemon.ok("create", "--name", "still", "--memory", "256");
  await keepsMemory("still");
  const written = await write("still", "f1");
  await daemon.ok("stop", "still");
  for (let round = 0; round < 9; round += 1) {
    await daemon.ok("snapshot", "create", "still", "--name", "short");
    await daemon.ok("snapshot", "delete", "short", "-y");
  }
  expect(own(await chainOf(await diskOf("still"))).length).toBeLessThan(7);
  await hasMemory("still");
  await dropCaches("still");
  expect(await sums("still")).toBe(written);
});

test("a merge that fails is told in the log, and changes nothing", async () => {
  await daemon.ok("create", "--name", "odd", "--memory", "256");
  await keepsMemory("odd");
  const written = await snapshotsThatGo("odd", [1, 2, 3, 4, 5]);
  const disk = await diskOf("odd");
  // The link cannot be replaced by a rename: its name in between is taken by a folder.
  await Bun.write(join(disk, "top.new/file"), "");
  const count = own(await chainOf(disk)).length;
  await daemon.ok("stop", "odd");
  expect(await daemon.wholeLog()).toContain("cannot merge disk layers");
  expect(own(await chainOf(disk))).toHaveLength(count);
  await hasMemory("odd");
  await dropCaches("odd");
  expect(await sums("odd")).toBe(written);
  await unlink(join(disk, "top.new/file"));
});

test("a disk with more layers than anybody needs gets no more until they are merged", async () => {
  await daemon.ok("create", "--name", "deep", "--memory", "256");
  await keepsMemory("deep");
  const written = await write("deep", "f1");
  await daemon.ok("stop", "deep");
  const disk = await diskOf("deep");
  for (let count = 0; count < 200; count += 1) await freezeTop(disk, AbortSignal.timeout(60_000));
  await hasMemory("deep");
  await write("deep", "f2");
  const refused = await daemon.run(["snapshot", "create", "deep", "--name", "more"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/409 .* has 20\d layers/);
  expect(refused.stderr).toContain("merge its layers: bhatti stop");
  await hasMemory("deep");
  const both = await sums("deep");
  expect(both).toStartWith(written);
  await daemon.ok("stop", "deep");
  expect(own(await chainOf(disk))).toHaveLength(1);
  await daemon.ok("snapshot", "create", "deep", "--name", "more");
  await hasMemory("deep");
  await dropCaches("deep");
  expect(await sums("deep")).toBe(both);
});
