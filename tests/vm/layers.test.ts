/** What is written before and after snapshots is on the disk, not only in the guest's memory. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
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
