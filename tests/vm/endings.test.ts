/** Machines and daemons that end in every way but the planned one. */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultMemoryMB } from "../../src/contract/sandboxes.ts";
import { startTimeOf } from "../../src/host/process.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
});

interface Shown {
  status: string;
  thermal: string;
  engine_id: string;
  engine_meta: { reason?: string };
}

async function statusBecomes(name: string, status: string): Promise<Shown> {
  let shown: Shown | undefined;
  const holds = async () => {
    shown = await daemon.json<Shown>("inspect", name);
    return shown.status === status;
  };
  await until(`sandbox "${name}" is ${status}`, holds);
  return shown as Shown;
}

async function machinePid(name: string): Promise<number> {
  const { engine_id } = await daemon.json<Shown>("inspect", name);
  const record = await readFile(`${daemon.dataDir}/sandboxes/${engine_id}/machine.json`, "utf8");
  return (JSON.parse(record) as { pid: number }).pid;
}

test("a guest that powers itself off is stopped, and says so", async () => {
  daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  await daemon.run([
    "exec",
    "dev",
    "--",
    "sudo",
    "sh",
    "-c",
    "echo kept > /workspace/file; sync; echo o > /proc/sysrq-trigger; sleep 5",
  ]);
  const { engine_meta } = await statusBecomes("dev", "stopped");
  expect(engine_meta.reason).toContain("powered off");
  // It boots from its disk when it is used again, and says why.
  expect(await daemon.ok("exec", "dev", "--", "cat", "/workspace/file")).toBe("kept\n");
  const shown = await daemon.json<Shown>("inspect", "dev");
  expect(shown.status).toBe("running");
  expect(shown.engine_meta.reason).toContain("powered off");
  await daemon.ok("destroy", "dev", "-y");
});

test("a kernel panic is reported in one line, and the daemon logs the console", async () => {
  daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  await daemon.run([
    "exec",
    "dev",
    "--",
    "sudo",
    "sh",
    "-c",
    "echo c > /proc/sysrq-trigger; sleep 5",
  ]);
  const { engine_meta } = await statusBecomes("dev", "unknown");
  expect(engine_meta.reason).toBe(
    "VM crashed: kernel panic: sysrq triggered crash (see the console in the daemon log)",
  );
  expect(daemon.log()).toContain("Kernel panic - not syncing");
  await daemon.ok("destroy", "dev", "-y");
});

test("a QEMU that is killed in the middle of a command is an explicit failure, never an exit code of 0", async () => {
  daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  const pid = await machinePid("dev");
  const running = daemon.run(["exec", "dev", "--", "sleep", "60"]);
  const started = async () =>
    (await daemon.run(["exec", "dev", "--", "sh", "-c", "ps | grep -q '[s]leep 60'"])).code === 0;
  await until("the command runs", started);
  process.kill(pid, "SIGKILL");
  const { code, stderr } = await running;
  expect(code).toBe(1);
  expect(stderr).not.toBe("");
  expect((await statusBecomes("dev", "unknown")).engine_meta.reason).toContain("crashed");
  await daemon.ok("destroy", "dev", "-y");
  expect((await footprint(daemon)).processes).toEqual([]);
});

test("a daemon that is killed leaves its machines running, and the next one takes them over", async () => {
  daemon = await startMachineDaemon({ poolSize: 1 });
  await daemon.ok("create", "--name", "dev");
  await daemon.ok(
    "exec",
    "dev",
    "--",
    "sh",
    "-c",
    "echo kept > /workspace/file; sleep 1000 >/dev/null 2>&1 &",
  );
  await until("the pool is full", () => daemon.log().includes("pool VM ready"));
  await daemon.kill("SIGKILL");
  await daemon.restart();
  expect(await daemon.ok("exec", "dev", "--", "cat", "/workspace/file")).toBe("kept\n");
  expect(await daemon.ok("exec", "dev", "--", "sh", "-c", "ps | grep -c '[s]leep 1000'")).toBe(
    "1\n",
  );
  await daemon.ok("destroy", "dev", "-y");
  // The pool's machine was nobody's after the kill: it is gone.
  await daemon.kill("SIGTERM");
  expect(await footprint(daemon)).toEqual({ processes: [], sockets: [], files: [], rows: 0 });
});

test("on_shutdown: stop puts the machines into files with the daemon, and they wake with their memory", async () => {
  daemon = await startMachineDaemon({ config: ["on_shutdown: stop"] });
  await daemon.ok("create", "--name", "dev");
  const sleeper = "sleep 1000 >/dev/null 2>&1 & echo $!";
  const pid = (await daemon.ok("exec", "dev", "--", "sh", "-c", sleeper)).trim();
  expect(await daemon.kill("SIGTERM")).toBe(0);
  expect((await footprint(daemon)).processes).toEqual([]);
  await daemon.restart();
  const shown = await daemon.json<Shown>("inspect", "dev");
  expect(shown).toMatchObject({ status: "running", thermal: "cold" });
  await daemon.ok("exec", "dev", "--", "kill", "-0", pid);
});

test("on_shutdown: keep, which is the default, leaves the machines running, and the daemon ends well", async () => {
  daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  const sleeper = "sleep 1000 >/dev/null 2>&1 & echo $!";
  const pid = (await daemon.ok("exec", "dev", "--", "sh", "-c", sleeper)).trim();
  expect(await daemon.kill("SIGTERM")).toBe(0);
  expect((await footprint(daemon)).processes).toHaveLength(1);
  await daemon.restart();
  expect((await daemon.json<Shown>("inspect", "dev")).status).toBe("running");
  await daemon.ok("exec", "dev", "--", "kill", "-0", pid);
});

test("a create whose client is interrupted leaves nothing", async () => {
  daemon = await startMachineDaemon({ golden: { copiesOf: [defaultMemoryMB] } });
  const client = daemon.spawn(["create", "--name", "dev", "--memory", "300"]);
  const isUnderWay = async () => (await daemon.run(["inspect", "dev"])).code === 0;
  await until("the create is under way", isUnderWay);
  client.kill("SIGINT");
  await client.exited;
  const isGone = async () => (await daemon.run(["inspect", "dev"])).code !== 0;
  await until("the sandbox is gone", isGone);
  expect(await footprint(daemon)).toEqual({ processes: [], sockets: [], files: [], rows: 0 });
  await daemon.ok("create", "--name", "dev");
});

test("a signal to the CLI reaches the command in the guest", async () => {
  daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  const script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.1; done";
  const client = daemon.spawn(["exec", "dev", "--", "sh", "-c", script]);
  const output = client.stdout.getReader();
  expect(new TextDecoder().decode((await output.read()).value)).toBe("ready\n");
  client.kill("SIGTERM");
  expect(await client.exited).toBe(42);
});

test("a daemon that is killed while it makes a golden snapshot leaves no guest behind", async () => {
  daemon = await startMachineDaemon({ golden: { copiesOf: [defaultMemoryMB] } });
  const create = daemon.run(["create", "--name", "dev", "--memory", "300"]);
  const pids: number[] = [];
  await until("a guest is being made", () => {
    const files = [...new Bun.Glob("golden/*/qemu.pid").scanSync(daemon.dataDir)];
    pids.push(...files.map((file) => Number(readFileSync(join(daemon.dataDir, file), "utf8"))));
    return pids.some((pid) => pid > 0);
  });
  await daemon.kill("SIGKILL");
  expect((await create).code).toBe(1);
  await daemon.restart();
  for (const pid of pids) expect(startTimeOf(pid)).toBeUndefined();
  expect(await footprint(daemon)).toEqual({ processes: [], sockets: [], files: [], rows: 0 });
  await daemon.ok("create", "--name", "dev");
});
