/** Saved states that are not what was written. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFile,
  open,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { topOf } from "../../src/disks/layers.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, machineFolder, show } from "../support/sandbox-state.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
  await create("first"); // makes the golden snapshot, which stays
  await footprint(daemon);
});
afterEach(async () => {
  const all = await daemon.json<Sandbox[]>("list");
  for (const { name } of all) await daemon.ok("destroy", name, "-y");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => inGuest(daemon, name, script);
const snapshotOf = ["snapshot", "create", "dev", "--name", "bad"];
const forkOf = ["create", "--from", "dev", "--name", "child"];
const create = (name: string) => daemon.ok("create", "--name", name, "--memory", "256");

/** The error of a command that does not run. */
async function refusal(name: string): Promise<object> {
  const answer = await fetch(`${daemon.url}/sandboxes/${name}/exec`, {
    method: "POST",
    headers: { authorization: `Bearer ${daemon.key}`, "content-type": "application/json" },
    body: JSON.stringify({ cmd: ["true"] }),
  });
  const { request_id: _, ...told } = (await answer.json()) as { request_id: string };
  return { status: answer.status, ...told };
}

const withoutId = (text: string) => text.replace(/ \(req_\w+\)/, "");

/** How often it was tried to wake one, from now on; the outcome is the answer to all who ask in the next ten seconds. */
async function countAttempts() {
  const all = async () => (await daemon.wholeLog()).split('"cannot wake a sandbox"').length - 1;
  const before = await all();
  const begun = performance.now();
  return async () => {
    const most = 1 + Math.floor((performance.now() - begun) / 10_000);
    return { attempts: (await all()) - before, most };
  };
}

async function expectFew(counted: Awaited<ReturnType<typeof countAttempts>>): Promise<void> {
  const { attempts, most } = await counted();
  expect(attempts).toBeWithin(1, most + 1);
}

describe("a state that is damaged", () => {
  test.each<[string, (folder: string) => Promise<unknown>, string]>([
    [
      "a state file that is cut short",
      (folder) => truncate(join(folder, "state"), 1000),
      "checksum",
    ],
    ["a byte of it that is another", (folder) => flip(join(folder, "state"), 50_000), "checksum"],
    ["a state file that is gone", (folder) => rm(join(folder, "state")), "state file is missing"],
    ["a memory file that is gone", (folder) => rm(join(folder, "ram")), "memory file is missing"],
    [
      "a memory file that is cut short",
      (folder) => truncate(join(folder, "ram"), 1 << 20),
      "bytes instead of",
    ],
    [
      "a record that is not one",
      (folder) => writeFile(join(folder, "suspension.json"), "{"),
      "is not a record of a saved state",
    ],
    [
      "a record that says nothing",
      (folder) => writeFile(join(folder, "suspension.json"), "{}"),
      "is not a record of a saved state",
    ],
    [
      "a folder in the record's place",
      async (folder) => {
        await rm(join(folder, "suspension.json"));
        await Bun.write(join(folder, "suspension.json/file"), "");
      },
      "is not a record of a saved state",
    ],
    [
      "a disk layer of another length",
      async (folder) => appendFile(await topOf(join(folder, "disk")), "more"),
      "bytes instead of",
    ],
  ])("%s is told, and a forced start boots from the disk", async (_, damage, why) => {
    await create("dev");
    await exec("dev", "echo kept > /workspace/file; echo lost > /tmp/marker; sync");
    await daemon.ok("stop", "dev");
    await damage(await machineFolder(daemon, "dev"));
    const before = await footprint(daemon);
    const counted = await countAttempts();

    const started = await daemon.run(["start", "dev"]);
    expect(started.code).toBe(1);
    expect(started.stderr).toContain("The saved state is damaged");
    expect(started.stderr).toContain(why);
    expect(started.stderr).toContain("bhatti start --force");
    expect((await counted()).attempts).toBe(1);
    // Nothing is touched, and nobody tries again for each who asks.
    const asked = await Promise.all(Array.from({ length: 50 }, () => refusal("dev")));
    for (const answer of asked) expect(answer).toEqual(asked[0] ?? {});
    expect(asked[0]).toMatchObject({ status: 500, code: "snapshot_damaged" });
    await expectFew(counted);
    for (const copy of [snapshotOf, forkOf]) {
      const refused = await daemon.run(copy);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(why);
      expect(refused.stderr).toContain("The saved state is damaged");
    }
    expect(await readdir(join(daemon.dataDir, "snapshots"))).toEqual([]);
    expect(await footprint(daemon)).toEqual(before);
    expect(await show(daemon, "dev")).toMatchObject({ status: "stopped", thermal: "cold" });

    await daemon.ok("start", "dev", "--force");
    expect(await exec("dev", "cat /workspace/file; ls /tmp/marker 2>/dev/null || true")).toContain(
      "kept\n",
    );
    const shown = await show(daemon, "dev");
    expect(shown).toMatchObject({ status: "running", thermal: "hot" });
    expect(shown.engine_meta["reason"]).toContain("booted from disk");
  });

  test("a disk layer that is cut short, or gone, is told by its name", async () => {
    await create("dev");
    const hash = await exec("dev", "head -c 3000000 /dev/urandom | tee /workspace/much | md5sum");
    await daemon.ok("stop", "dev");
    const folder = await machineFolder(daemon, "dev");
    const top = await topOf(join(folder, "disk"));
    const bytes = await readFile(top);
    const tellTale = async (args: string[], told: string) => {
      const { code, stderr } = await daemon.run(args);
      expect(code).toBe(1);
      expect(stderr).toContain(told);
      expect(stderr).not.toContain("ENOENT");
    };
    const ways = [["start", "dev"], snapshotOf, [...snapshotOf, "--type", "filesystem"], forkOf];

    await truncate(top, 1_000_000);
    const short = `disk layer ${basename(top)} has 1000000 bytes instead of ${bytes.length}`;
    for (const args of ways) await tellTale(args, short);
    await rm(top);
    const gone = `disk layer ${basename(top)} is missing`;
    for (const args of [...ways, ["start", "dev", "--force"]]) await tellTale(args, gone);
    await rename(join(folder, "disk"), join(folder, "aside"));
    for (const args of [...ways, ["start", "dev", "--force"]]) await tellTale(args, "disk");
    await rename(join(folder, "aside"), join(folder, "disk"));
    await writeFile(top, bytes);
    await daemon.ok("start", "dev");
    expect(await exec("dev", "md5sum < /workspace/much")).toBe(hash);
  });

  test("50 commands at once for what cannot be woken get one answer from one attempt", async () => {
    await create("many");
    await daemon.ok("stop", "many");
    await flip(join(await machineFolder(daemon, "many"), "state"), 100);
    const counted = await countAttempts();
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => daemon.run(["exec", "many", "--", "true"])),
    );
    expect(new Set(outcomes.map(({ code, stderr }) => `${code} ${withoutId(stderr)}`)).size).toBe(
      1,
    );
    expect(outcomes[0]?.stderr).toContain("wrong checksum");
    await expectFew(counted);
  });

  test("without its record there is no state: it boots from its disk, and says so", async () => {
    await create("dev");
    await exec("dev", "echo kept > /workspace/file; sync");
    await daemon.ok("stop", "dev");
    await rm(join(await machineFolder(daemon, "dev"), "suspension.json"));
    await daemon.ok("start", "dev");
    expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
    expect((await show(daemon, "dev")).engine_meta["reason"]).toContain(
      "booted from disk: no saved state",
    );
  });
});

test("a state that another QEMU saved is not loaded: it boots from its disk, and says why", async () => {
  await create("dev");
  await exec("dev", "echo kept > /workspace/file; sync");
  await daemon.ok("stop", "dev");
  const record = join(await machineFolder(daemon, "dev"), "suspension.json");
  const written = JSON.parse(await readFile(record, "utf8")) as { fingerprint: { qemu: string } };
  written.fingerprint.qemu = "1.2.3";
  await writeFile(record, JSON.stringify(written));
  expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
  const { engine_meta } = await show(daemon, "dev");
  expect(engine_meta["reason"]).toContain("QEMU has changed since the state was saved (from 1.2.3");
});

test("a snapshot that is damaged makes nothing, one of another QEMU makes a sandbox of its disk", async () => {
  await create("dev");
  await exec("dev", "echo kept > /workspace/file; sync");
  const { id } = await daemon.json<{ id: string }>("snapshot", "create", "dev", "--name", "kept");
  const folder = join(daemon.dataDir, "snapshots", id);
  const before = await footprint(daemon);
  await rename(join(folder, "state"), join(folder, "aside"));
  const resumed = await daemon.run(["snapshot", "resume", "kept", "--name", "copy"]);
  expect(resumed.code).toBe(1);
  expect(resumed.stderr).toContain("state file is missing");
  const restored = await daemon.run(["snapshot", "restore", "kept", "dev", "-y"]);
  expect(restored.code).toBe(1);
  expect(await footprint(daemon)).toEqual(before);
  expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
  await rename(join(folder, "aside"), join(folder, "state"));
  const top = await topOf(join(folder, "disk"));
  const bytes = await readFile(top);
  await truncate(top, 70_000);
  const resumedShort = await daemon.run(["snapshot", "resume", "kept", "--name", "copy"]);
  expect(resumedShort.stderr).toContain(`disk layer ${basename(top)} has 70000 bytes`);
  expect(resumedShort.stderr).toContain("The snapshot is damaged");
  await writeFile(top, bytes);
  const record = join(folder, "snapshot.json");
  const whole = await readFile(record, "utf8");
  for (const hardware of ["{}", '{"cpus":1,"memoryMB":-5}', '{"cpus":0.5,"memoryMB":256}']) {
    await writeFile(record, whole.replace(/"hardware":{[^}]*}/, `"hardware":${hardware}`));
    const odd = await daemon.run(["snapshot", "resume", "kept", "--name", "copy"]);
    expect(odd.stderr).toContain("The snapshot is damaged: the manifest is unreadable");
  }
  await writeFile(record, whole);
  const written = JSON.parse(await readFile(record, "utf8")) as { fingerprint: { qemu: string } };
  written.fingerprint.qemu = "1.2.3";
  await writeFile(record, JSON.stringify(written));
  const warned = await daemon.run(["snapshot", "resume", "kept", "--name", "copy"]);
  expect(warned.code).toBe(0);
  expect(warned.stderr).toContain("QEMU has changed since the state was saved");
  expect(await exec("copy", "cat /workspace/file")).toBe("kept\n");
  await daemon.ok("snapshot", "delete", "kept", "-y");
});

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.of((byte[0] ?? 0) ^ 0xff), 0, 1, at);
  } finally {
    await file.close();
  }
}
