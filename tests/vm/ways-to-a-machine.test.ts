/** From the pool, from a golden snapshot, from nothing: each way works, and a way that fails leads to the next. */
import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { defaultMemoryMB } from "../../src/contract/sandboxes.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** How the machines were made, in order. */
async function origins(): Promise<string[]> {
  return [...(await daemon.wholeLog()).matchAll(/"origin":"(\w+)"/g)].map(
    ([, origin]) => origin ?? "",
  );
}

async function count(message: string): Promise<number> {
  return (await daemon.wholeLog()).split(`"${message}"`).length - 1;
}

const hello = async (name: string) =>
  expect(await daemon.ok("exec", name, "--", "echo", "hello")).toBe("hello\n");

test("a pool machine is taken when there is one, and the pool is filled again", async () => {
  daemon = await startMachineDaemon({ poolSize: 1 });
  await until("the pool is full", async () => (await count("pool VM ready")) === 1);
  await daemon.ok("create", "--name", "one");
  await hello("one");
  await until("the pool is full again", async () => (await count("pool VM ready")) === 2);
  await daemon.ok("create", "--name", "two");
  await hello("two");
  expect(await origins()).toEqual(["pool", "pool"]);
});

test("the pool follows what is asked for", async () => {
  daemon = await startMachineDaemon({ poolSize: 1 });
  await until("the pool is full", async () => (await count("pool VM ready")) === 1);
  await daemon.ok("create", "--name", "small", "--memory", "256");
  await until("the pool holds the other shape", async () => (await count("pool VM ready")) === 2);
  await daemon.ok("create", "--name", "another", "--memory", "256");
  expect(await origins()).toEqual(["restored", "pool"]);
  expect(await daemon.ok("list")).toContain("another");
});

test("a pool machine whose QEMU is killed is not handed out", async () => {
  daemon = await startMachineDaemon({ poolSize: 1 });
  await until("the pool is full", async () => (await count("pool VM ready")) === 1);
  const names = await readdir(join(daemon.dataDir, "sandboxes"));
  const id = names.find((name) => name !== ".trash") ?? "";
  // It is nobody's yet, so it has no record of its own: QEMU's pid file is there from the start.
  const pid = await readFile(join(daemon.dataDir, "sandboxes", id, "qemu.pid"), "utf8");
  process.kill(Number(pid), "SIGKILL");
  await until("its files are gone", () => !existsSync(join(daemon.dataDir, "sandboxes", id)));
  await daemon.ok("create", "--name", "dev");
  await hello("dev");
  // Its end was noticed before anybody asked: nobody tried it first.
  expect(await origins()).toEqual(["restored"]);
  expect(await daemon.wholeLog()).not.toContain("cannot use a pool VM");
});

test("golden snapshots outlive the daemon", async () => {
  daemon = await startMachineDaemon({ golden: "own" });
  await daemon.ok("create", "--name", "one");
  const made = await count("golden snapshot created");
  await daemon.kill("SIGTERM");
  await daemon.restart();
  await daemon.ok("create", "--name", "two");
  await hello("two");
  await hello("one");
  expect(await origins()).toEqual(["restored", "restored"]);
  expect(await count("golden snapshot created")).toBe(made);
});

test.each(["state", "ram", "golden.json"])(
  "a golden snapshot whose %s is cut off is found out, and the machine boots cold",
  async (file) => {
    daemon = await startMachineDaemon({ golden: { copiesOf: [defaultMemoryMB] } });
    await daemon.ok("create", "--name", "one");
    const golden = join(daemon.dataDir, "golden");
    const complete = async () =>
      [...new Bun.Glob("*/golden.json").scanSync({ cwd: golden })].length === 2;
    await until("both snapshots are there", complete);
    for (const name of await readdir(golden)) await truncate(join(golden, name, file), 100);
    await daemon.ok("create", "--name", "two");
    await hello("two");
    await hello("one");
    expect(await origins()).toEqual(["restored", "booted"]);
    expect(await daemon.wholeLog()).toContain("cannot restore a VM");
  },
);
