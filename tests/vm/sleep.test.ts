/** Sandboxes that are stopped and started, or cool and wake by themselves: what is in them is still there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTimeOf } from "../../src/host/process.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { becomes, inGuest, listed, machinePid, show } from "../support/sandbox-state.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
/** A sandbox with the daemon's idle times, which shows that they have passed. */
const reference = "reference";
beforeAll(async () => {
  daemon = await startMachineDaemon({
    config: ["thermal:", "  warm_after: 1s", "  cold_after: 2s"],
  });
  await create(reference);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => inGuest(daemon, name, script);
const create = (name: string, ...flags: string[]) =>
  daemon.ok("create", "--name", name, "--memory", "256", ...flags);
const destroy = (name: string) => daemon.ok("destroy", name, "-y");

/** A process that counts in its memory, and says on request how far it is. */
const counter =
  "(n=0; trap 'echo $n > /tmp/count' USR1; while :; do n=$((n+1)); sleep 0.05; done) > /dev/null 2>&1 & echo $! > /tmp/pid";
const count = async (name: string) =>
  Number(
    await exec(
      name,
      "rm -f /tmp/count; kill -USR1 $(cat /tmp/pid); while [ ! -s /tmp/count ]; do sleep 0.05; done; cat /tmp/count",
    ),
  );

test("files, processes, their memory and their ports are there after a stop and a start", async () => {
  await create("dev", "--keep-hot");
  await exec("dev", "echo kept > /workspace/file; httpd -p 127.0.0.1:8080 -h /workspace");
  await exec("dev", counter);
  const later = "while [ ! -e go ]; do sleep 0.05; done; echo later > later";
  await exec("dev", `(${later}) > /dev/null 2>&1 &`);
  const before = await count("dev");
  await daemon.ok("stop", "dev");
  expect(await show(daemon, "dev")).toMatchObject({ status: "stopped", thermal: "cold" });
  await daemon.ok("start", "dev");
  expect(await show(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
  const after = await count("dev");
  expect(after).toBeGreaterThan(before);
  expect(await count("dev")).toBeGreaterThan(after);
  expect(await exec("dev", "wget -qO- http://127.0.0.1:8080/file")).toBe("kept\n");
  const waits = "touch go; while [ ! -s later ]; do sleep 0.05; done; cat later";
  expect(await exec("dev", waits)).toBe("later\n");
});

test("stop and start may be asked for twice", async () => {
  expect(await daemon.ok("start", "dev")).toBe("sandbox/dev started\n");
  await Promise.all([daemon.ok("stop", "dev"), daemon.ok("stop", "dev")]);
  const { engine_id, stopped_at } = await show(daemon, "dev");
  await daemon.ok("stop", "dev");
  expect(await show(daemon, "dev")).toMatchObject({ engine_id, stopped_at });
  await Promise.all([daemon.ok("start", "dev"), daemon.ok("start", "dev")]);
  const pid = await machinePid(daemon, "dev");
  await daemon.ok("start", "dev");
  expect(await machinePid(daemon, "dev")).toBe(pid);
});

test("a sandbox that was stopped has no process, and an exec wakes it", async () => {
  const pid = await machinePid(daemon, "dev");
  await daemon.ok("stop", "dev");
  expect(startTimeOf(pid)).toBeUndefined();
  expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
  expect(await show(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
});

test("20 commands at once wake a stopped sandbox once", async () => {
  await daemon.ok("stop", "dev");
  const wakes = async () => (await daemon.wholeLog()).split('"sandbox woken"').length;
  const before = await wakes();
  const told = await Promise.all(
    Array.from({ length: 20 }, (_, index) => exec("dev", `echo ${index}`)),
  );
  expect(told).toEqual(Array.from({ length: 20 }, (_, index) => `${index}\n`));
  expect(await wakes()).toBe(before + 1);
});

test("a command that runs while its sandbox is stopped goes on in it, and its client is told that it is not connected any more", async () => {
  const script =
    "trap 'echo hup' HUP; n=0; while :; do n=$((n+1)); echo $n > /tmp/open.new; mv /tmp/open.new /tmp/open; sleep 0.1; done";
  const client = daemon.spawn(["exec", "dev", "--timeout", "600", "--", "sh", "-c", script]);
  await exec("dev", "while [ ! -s /tmp/open ]; do sleep 0.05; done");
  await daemon.ok("stop", "dev");
  const [code, said] = await Promise.all([client.exited, new Response(client.stderr).text()]);
  expect(code).not.toBe(0);
  expect(said).toContain("suspended");
  const goesOn =
    "a=$(cat /tmp/open); while [ $(cat /tmp/open) = $a ]; do sleep 0.1; done; echo yes";
  expect(await exec("dev", goesOn)).toBe("yes\n");
  await destroy("dev");
});

test("the init script does not run again when its sandbox wakes, but when it boots from its disk", async () => {
  const runs = "cat /workspace/runs";
  const boot = "cat /proc/sys/kernel/random/boot_id";
  await create("once", "--init", `${boot} >> /workspace/runs; sync`);
  const ran = async () => (await daemon.run(["exec", "once", "--", "sh", "-c", runs])).code === 0;
  await until("the init script ran", ran);
  await daemon.ok("stop", "once");
  await daemon.ok("start", "once");
  const first = await exec("once", boot);
  expect(await exec("once", runs)).toBe(first);
  await daemon.run([
    "exec",
    "once",
    "--",
    "sudo",
    "sh",
    "-c",
    "sync; echo o > /proc/sysrq-trigger",
  ]);
  await becomes(daemon, "once", { status: "stopped" });
  const second = await exec("once", boot);
  expect(second).not.toBe(first);
  const ranAgain = async () => (await exec("once", runs)).endsWith(second);
  await until("the init script ran again", ranAgain);
  expect(await exec("once", runs)).toBe(`${first}${second}`);
  await destroy("once");
});

test("an idle sandbox becomes warm and then cold by itself, and says when; looking at it does not wake it", async () => {
  await create("idle", "--idle-warm", "1h", "--idle-cold", "2h");
  await exec("idle", counter.replace("0.05", "1"));
  const hot = await show(daemon, "idle");
  expect(hot).toMatchObject({ status: "running", thermal: "hot" });
  expect(hot.activity.reason).not.toBe("");
  expect(hot.activity.next).toMatchObject({ thermal: "warm" });
  await daemon.ok("edit", "idle", "--idle-warm", "1s");
  const warm = await becomes(daemon, "idle", { thermal: "warm" });
  expect(warm).toMatchObject({ status: "running", activity: { next: { thermal: "cold" } } });
  expect(warm.activity.reason).toContain("idle since");
  const pid = await machinePid(daemon, "idle");
  await daemon.ok("edit", "idle", "--idle-cold", "3s");
  const isCold = async () => (await show(daemon, "idle")).thermal === "cold";
  await until("it is cold although it is looked at", isCold);
  const cold = await show(daemon, "idle");
  expect(cold).toMatchObject({ status: "running", activity: { reason: "suspended" } });
  expect(cold.activity.next).toBeUndefined();
  expect(startTimeOf(pid)).toBeUndefined();
  await daemon.ok("list");
  expect(await show(daemon, "idle")).toMatchObject({ status: "running", thermal: "cold" });
});

/** It goes there by itself, and stays there until somebody uses it. */
async function cool(name: string, thermal: "warm" | "cold"): Promise<void> {
  const cold = thermal === "cold" ? "1s" : "never";
  await daemon.ok("edit", name, "--idle-warm", "1s", "--idle-cold", cold);
  await becomes(daemon, name, { thermal });
  await daemon.ok("edit", name, "--idle-warm", "never", "--idle-cold", "never");
  expect(await show(daemon, name)).toMatchObject({ thermal });
}

test("a command wakes a sandbox that is cold, and one that is warm", async () => {
  await cool("idle", "cold");
  const fromCold = await count("idle");
  expect(fromCold).toBeGreaterThan(0);
  expect(await show(daemon, "idle")).toMatchObject({ thermal: "hot" });
  await cool("idle", "warm");
  expect(await count("idle")).toBeGreaterThanOrEqual(fromCold);
  expect(await show(daemon, "idle")).toMatchObject({ thermal: "hot" });
});

test("a warm sandbox can be stopped, and started", async () => {
  await cool("idle", "warm");
  await daemon.ok("stop", "idle");
  expect(await show(daemon, "idle")).toMatchObject({ status: "stopped", thermal: "cold" });
  await daemon.ok("start", "idle");
  expect(await count("idle")).toBeGreaterThan(0);
});

/** Until the reference, used after it, has become warm or cold. */
async function stays(name: string, thermal: "hot" | "warm", end: "warm" | "cold") {
  await exec(reference, "true");
  const shown: unknown[] = [];
  const look = async () => {
    shown.push((await listed(daemon, name)).thermal);
    return (await listed(daemon, reference)).thermal === end;
  };
  await until(`the reference is ${end}`, look);
  shown.push((await show(daemon, name)).thermal);
  expect(new Set(shown)).toEqual(new Set([thermal]));
}

const staysHot = (name: string) => stays(name, "hot", "warm");

test("a command that runs keeps its sandbox hot", async () => {
  await exec("idle", "mkfifo /tmp/fifo");
  const client = daemon.spawn(["exec", "idle", "--", "sh", "-c", "echo begun; cat /tmp/fifo"]);
  await client.stdout.getReader().read();
  await daemon.ok("edit", "idle", "--idle-warm", "1s", "--idle-cold", "never");
  await staysHot("idle");
  expect((await show(daemon, "idle")).activity.reason).toBe("in use: exec");
  await exec("idle", "echo > /tmp/fifo");
  expect(await client.exited).toBe(0);
  await becomes(daemon, "idle", { thermal: "warm" });
});

test("work in the background keeps it hot, and is told", async () => {
  await exec("idle", "(while :; do :; done) > /dev/null 2>&1 & echo $! > /tmp/busy");
  const isTold = async () => /used \d+ % CPU/.test((await show(daemon, "idle")).activity.reason);
  await until("its work is told", isTold);
  await staysHot("idle");
  await exec("idle", "kill $(cat /tmp/busy)");
  await becomes(daemon, "idle", { thermal: "warm" });
});

test("keep_hot wakes it and keeps it hot until it may cool again", async () => {
  await cool("idle", "cold");
  await daemon.ok("edit", "idle", "--idle-warm", "1s", "--keep-hot");
  await staysHot("idle");
  const shown = await show(daemon, "idle");
  expect(shown).toMatchObject({ keep_hot: true, activity: { reason: "keep hot" } });
  expect(shown.activity.next).toBeUndefined();
  await daemon.ok("edit", "idle", "--allow-cold");
  await becomes(daemon, "idle", { thermal: "warm" });
});

test("its own idle times win over the daemon's, also when they are changed", async () => {
  await daemon.ok("edit", "idle", "--idle-warm", "never", "--idle-cold", "never");
  await exec("idle", "true");
  await staysHot("idle");
  expect(await show(daemon, "idle")).toMatchObject({ idle_warm_s: 0 });
  await daemon.ok("edit", "idle", "--idle-cold", "1s");
  await becomes(daemon, "idle", { thermal: "cold" });
  await daemon.ok("edit", "idle", "--idle-warm", "2s", "--idle-cold", "never");
  await exec("idle", "true");
  await becomes(daemon, "idle", { thermal: "warm" });
  await stays("idle", "warm", "cold");
  await daemon.ok("edit", "idle", "--idle-cold", "default");
  await becomes(daemon, "idle", { thermal: "cold" });
});

test("the daemon's idle times make it warm, and then cold", async () => {
  await daemon.ok("edit", "idle", "--idle-warm", "default", "--idle-cold", "default");
  const before = (await daemon.wholeLog()).length;
  await exec("idle", "true");
  await becomes(daemon, "idle", { thermal: "cold" });
  const log = (await daemon.wholeLog()).slice(before);
  expect([...log.matchAll(/"thermal\.\w+"/g)].map(([type]) => type)).toEqual([
    '"thermal.pause"',
    '"thermal.snapshot"',
  ]);
  await destroy("idle");
});

test("a sandbox whose time is over is destroyed, also when it is cold", async () => {
  await create("brief", "--ttl", "1h");
  expect((await show(daemon, "brief")).expires_at).toBeDefined();
  await cool("brief", "cold");
  await daemon.ok("edit", "brief", "--ttl", "1s");
  const isGone = async () => (await daemon.run(["inspect", "brief"])).stderr.includes("not found");
  await until("it is destroyed", isGone);
});
