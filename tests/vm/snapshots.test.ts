/** What is kept of a sandbox, and the sandboxes that go on from it: the same inside, but each of its own. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Snapshot } from "../../src/contract/snapshots.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { becomes, inGuest, machinePid, show } from "../support/sandbox-state.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
  await create("dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => inGuest(daemon, name, script);
const create = (name: string, ...flags: string[]) =>
  daemon.ok("create", "--name", name, "--memory", "256", ...flags);
const keep = (sandbox: string, name: string, ...flags: string[]) =>
  daemon.json<Snapshot>("snapshot", "create", sandbox, "--name", name, ...flags);
const resume = (snapshot: string, name: string) =>
  daemon.json<Sandbox>("snapshot", "resume", snapshot, "--name", name);
const destroy = (...names: string[]) =>
  Promise.all(names.map((name) => daemon.ok("destroy", name, "-y")));

/** A process that holds a word in its memory alone, and says it when it is asked; meanwhile it does nothing. */
const holding = (word: string) =>
  `rm -f /tmp/ask /tmp/tell; mkfifo /tmp/ask /tmp/tell; (w=${word}; while read _ < /tmp/ask; do echo $w > /tmp/tell; done) > /dev/null 2>&1 & echo $! > /tmp/pid`;
const held = (name: string) => exec(name, "echo > /tmp/ask; cat /tmp/tell");
const identity = async (name: string) =>
  await exec(name, "hostname; cat /etc/machine-id /sys/class/net/eth0/address");

test("a snapshot leaves its source running, and says how long it stood still", async () => {
  await exec("dev", `echo kept > /workspace/file; ${holding("first")}`);
  const pid = await machinePid(daemon, "dev");
  const snapshot = await keep("dev", "ready");
  expect(snapshot).toMatchObject({ name: "ready", type: "full", source_sandbox: "dev" });
  expect(snapshot.paused_ms).toBeGreaterThan(0);
  expect(snapshot.size_mb).toBeGreaterThan(0);
  expect(await machinePid(daemon, "dev")).toBe(pid);
  expect(await show(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
  expect(await held("dev")).toBe("first\n");
  expect(await daemon.ok("snapshot", "list")).toContain("ready");
});

test("what is made from it is the same inside, also after its source is gone, and each is somebody else", async () => {
  await exec("dev", "kill $(cat /tmp/pid)");
  await exec("dev", holding("second"));
  for (const name of ["one", "two"]) {
    expect(await resume("ready", name)).toMatchObject({ name, status: "running" });
  }
  const source = await identity("dev");
  expect(await held("dev")).toBe("second\n");
  await destroy("dev");
  await resume("ready", "three");
  const names = ["one", "two", "three"];
  const told = await Promise.all(names.map(identity));
  for (const index of [0, 1, 2]) {
    const values = [source, ...told].map((text) => text.split("\n")[index]);
    expect(new Set(values).size).toBe(4);
  }
  expect(told.map((text) => text.split("\n")[0])).toEqual(names);
  for (const name of names) {
    expect(await held(name)).toBe("first\n");
    expect(await exec(name, "cat /workspace/file")).toBe("kept\n");
  }
});

test("what one writes is not seen by the others, nor by what is made later", async () => {
  await exec("one", "echo changed > /workspace/file; echo new > /workspace/one; sync");
  await exec("two", "rm /workspace/file; sync");
  expect(await exec("three", "ls /workspace; cat /workspace/file")).toBe("file\nkept\n");
  await resume("ready", "four");
  expect(await exec("four", "ls /workspace; cat /workspace/file")).toBe("file\nkept\n");
  await destroy("two", "three", "four");
});

test("what is made from a snapshot sleeps and wakes like any other", async () => {
  await daemon.ok("stop", "one");
  expect(await exec("one", "cat /workspace/file /workspace/one")).toBe("changed\nnew\n");
  expect(await held("one")).toBe("first\n");
});

test("a name that is taken is refused, and nothing is touched", async () => {
  const before = await daemon.ok("snapshot", "list", "--json");
  const files = (await footprint(daemon)).files;
  const again = await daemon.run(["snapshot", "create", "one", "--name", "ready"]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('409 Conflict: Snapshot "ready" already exists');
  const resumed = await daemon.run(["snapshot", "resume", "ready", "--name", "one"]);
  expect(resumed.code).toBe(1);
  expect(resumed.stderr).toContain("409 Conflict");
  const forked = await daemon.run(["create", "--from", "one", "--name", "one"]);
  expect(forked.stderr).toContain("409 Conflict");
  expect(await daemon.ok("snapshot", "list", "--json")).toBe(before);
  expect((await footprint(daemon)).files).toEqual(files);
  expect(await held("one")).toBe("first\n");
  await destroy("one");
});

test("a snapshot that is deleted is gone, what was made from it stays", async () => {
  await resume("ready", "heir");
  await daemon.ok("snapshot", "delete", "ready", "-y");
  expect(await daemon.json<Snapshot[]>("snapshot", "list")).toEqual([]);
  expect((await daemon.run(["snapshot", "resume", "ready"])).stderr).toContain("not found");
  expect(await exec("heir", "cat /workspace/file")).toBe("kept\n");
  expect(await held("heir")).toBe("first\n");
});

test("a snapshot of the file system alone keeps the files and boots", async () => {
  await exec("heir", "echo unsynced > /workspace/unsynced");
  expect(await keep("heir", "disk", "--type", "filesystem")).toMatchObject({ type: "filesystem" });
  expect(await held("heir")).toBe("first\n");
  await resume("disk", "fresh");
  const files = "cat /workspace/file /workspace/unsynced";
  expect(await exec("fresh", files)).toBe("kept\nunsynced\n");
  expect(await exec("fresh", "hostname; ps | grep -c '[m]kfifo' || true")).toBe("fresh\n0\n");
  await destroy("fresh");
});

test("restore puts the same sandbox back to what it was", async () => {
  const { id } = await show(daemon, "heir");
  const who = await identity("heir");
  await keep("heir", "then");
  await exec("heir", "echo spoilt > /workspace/file; rm /workspace/unsynced; kill $(cat /tmp/pid)");
  await daemon.ok("snapshot", "restore", "then", "heir", "-y");
  expect(await show(daemon, "heir")).toMatchObject({ id, name: "heir", status: "running" });
  expect(await identity("heir")).toBe(who);
  expect(await exec("heir", "cat /workspace/file /workspace/unsynced")).toBe("kept\nunsynced\n");
  expect(await held("heir")).toBe("first\n");
  // Also when it is stopped; then it runs.
  await exec("heir", "echo spoilt > /workspace/file");
  await daemon.ok("stop", "heir");
  await daemon.ok("snapshot", "restore", "then", "heir", "-y");
  expect(await show(daemon, "heir")).toMatchObject({ id, status: "running", thermal: "hot" });
  expect(await exec("heir", "cat /workspace/file")).toBe("kept\n");
  // The machines that were replaced are gone.
  expect((await footprint(daemon)).processes).toHaveLength(1);
  await daemon.ok("snapshot", "delete", "then", "-y");
});

test("snapshots of a stopped and of a warm sandbox leave it as it is", async () => {
  await daemon.ok("stop", "heir");
  await keep("heir", "of-stopped");
  await keep("heir", "disk-of-stopped", "--type", "filesystem");
  expect(await show(daemon, "heir")).toMatchObject({ status: "stopped", thermal: "cold" });
  await daemon.ok("start", "heir");
  await daemon.ok("edit", "heir", "--idle-warm", "1s");
  await becomes(daemon, "heir", { thermal: "warm" });
  await keep("heir", "of-warm");
  expect(await show(daemon, "heir")).toMatchObject({ status: "running", thermal: "warm" });
  // Twice, as a machine that stands still is saved in another way than one that runs.
  await keep("heir", "of-warm-again");
  for (const snapshot of ["of-stopped", "of-warm", "of-warm-again"]) {
    await resume(snapshot, "copy");
    expect(await held("copy")).toBe("first\n");
    expect(await exec("copy", "cat /workspace/file; hostname")).toBe("kept\ncopy\n");
    await destroy("copy");
  }
  await resume("disk-of-stopped", "copy");
  expect(await exec("copy", "cat /workspace/file")).toBe("kept\n");
  expect(await held("heir")).toBe("first\n");
  await destroy("copy", "heir");
});

test("a fork makes as many as are asked for, and all answer", async () => {
  await create("tree");
  await exec("tree", `echo root > /workspace/root; ${holding("bark")}`);
  const children = await daemon.json<Sandbox[]>(
    ...["create", "--from", "tree", "--name", "leaf", "--count", "4"],
  );
  const names = children.map(({ name }) => name);
  expect(names).toEqual(["leaf-1", "leaf-2", "leaf-3", "leaf-4"]);
  expect(await Promise.all(names.map(held))).toEqual(names.map(() => "bark\n"));
  const told = await Promise.all(["tree", ...names].map(identity));
  expect(new Set(told.flatMap((text) => text.trim().split("\n"))).size).toBe(15);
  expect(await held("tree")).toBe("bark\n");
  await destroy(...names);
});

test("a fork of a stopped sandbox goes on where that stopped", async () => {
  await daemon.ok("stop", "tree");
  await daemon.ok("create", "--from", "tree", "--name", "scion");
  expect(await held("scion")).toBe("bark\n");
  expect(await show(daemon, "tree")).toMatchObject({ status: "stopped" });
  await destroy("scion");
});

test("a fork of a fork of a fork still has the files of the first one", async () => {
  const line = ["tree", "child", "grandchild", "last"];
  for (const [index, name] of line.entries()) {
    const parent = line[index - 1];
    if (parent !== undefined) await daemon.ok("create", "--from", parent, "--name", name);
    await exec(
      name,
      `echo ${name} > /workspace/of-${name}; head -c 300000 /dev/zero > ${name}.bin`,
    );
    if (parent !== undefined) await destroy(parent);
  }
  const files = "cat /workspace/root /workspace/of-*; cat *.bin | wc -c";
  expect(await exec("last", files)).toBe("root\nchild\ngrandchild\nlast\ntree\n1200000\n");
  await daemon.ok("stop", "last");
  expect(await exec("last", files)).toBe("root\nchild\ngrandchild\nlast\ntree\n1200000\n");
  await destroy("last");
});

test("when all of them are destroyed and deleted, nothing of them is left", async () => {
  const snapshots = await daemon.json<Snapshot[]>("snapshot", "list");
  for (const { name } of snapshots) await daemon.ok("snapshot", "delete", name, "-y");
  expect(await footprint(daemon)).toEqual({ processes: [], sockets: [], files: [], rows: 0 });
  expect([...new Bun.Glob("snapshots/**").scanSync({ cwd: daemon.dataDir })]).toEqual([]);
});
