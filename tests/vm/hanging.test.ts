/** Machines that hang: they are not put to sleep, what waits for them fails with the reason, and they can be got rid of. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { startTimeOf } from "../../src/host/process.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, machinePid, show } from "../support/sandbox-state.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
});
afterEach(async () => {
  const all = await daemon.json<Sandbox[]>("list");
  for (const { name } of all) await daemon.ok("destroy", name, "-y");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const exec = (name: string, script: string) => inGuest(daemon, name, script);
const create = (name: string) => daemon.ok("create", "--name", name, "--memory", "256");

test("a QEMU that hangs does not stop; what waits for it fails with the reason, and goes on with it", async () => {
  await create("dev");
  await exec("dev", "echo kept > /tmp/file");
  const pid = await machinePid(daemon, "dev");
  process.kill(pid, "SIGSTOP");
  try {
    const stopped = await daemon.run(["stop", "dev"]);
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain("The guest did not respond within");
    expect(startTimeOf(pid)).toBeDefined();
    expect(await show(daemon, "dev")).toMatchObject({ status: "running" });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  expect(await exec("dev", "cat /tmp/file")).toBe("kept\n");
  await daemon.ok("stop", "dev");
  expect(await exec("dev", "cat /tmp/file")).toBe("kept\n");
});

test("a sandbox whose QEMU hangs is destroyed all the same", async () => {
  await create("dev");
  process.kill(await machinePid(daemon, "dev"), "SIGSTOP");
  await daemon.ok("destroy", "dev", "-y");
  expect(await footprint(daemon)).toEqual({ processes: [], sockets: [], files: [], rows: 0 });
});

test("a guest whose agent does not answer is not put to sleep, and says why; forced, it boots from its disk", async () => {
  await create("dev");
  await exec("dev", "echo kept > /workspace/file; sync");
  // No signal stops PID 1, the freezer does.
  const freeze =
    "cd /sys/fs/cgroup && mkdir mute && echo 1 > mute/cgroup.freeze && (sleep 1; echo 1 > mute/cgroup.procs) > /dev/null 2>&1 &";
  await daemon.ok("exec", "dev", "--", "sudo", "sh", "-c", freeze);
  // One that is not mute yet goes to sleep, and is mute when it has been woken.
  let stopped = await daemon.run(["stop", "dev"]);
  for (; stopped.code === 0; stopped = await daemon.run(["stop", "dev"])) {
    await daemon.run(["start", "dev"]);
    await Bun.sleep(1000);
  }
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain("The guest did not respond within 5 s");
  expect(stopped.stderr).toContain("bhatti start --force");
  expect(await show(daemon, "dev")).toMatchObject({ status: "running" });
  await daemon.ok("edit", "dev", "--idle-warm", "1s");
  const isTold = async () =>
    (await show(daemon, "dev")).activity.reason.startsWith("cannot become warm");
  await until("why it stays hot is told", isTold);
  expect(await show(daemon, "dev")).toMatchObject({ status: "running", thermal: "hot" });
  expect(startTimeOf(await machinePid(daemon, "dev"))).toBeDefined();
  const refused = await daemon.run(["exec", "dev", "--", "true"]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("bhatti start --force dev");
  const started = await daemon.run(["start", "dev"]);
  expect(started.code).toBe(1);
  expect(started.stderr).toContain('The guest of sandbox "dev" did not respond within 5 s');
  await daemon.ok("start", "dev", "--force");
  expect(await exec("dev", "cat /workspace/file")).toBe("kept\n");
});

test("stop and start work after root in the guest has moved the agent among the user processes", async () => {
  await create("dev");
  const pid = (await exec("dev", "sleep 777 > /dev/null 2>&1 & echo $!")).trim();
  const move = "echo 1 > /sys/fs/cgroup/user/cgroup.procs; cat /proc/1/cgroup";
  const asRoot = ["exec", "dev", "--user", "root", "--", "sh", "-c"];
  expect(await daemon.ok(...asRoot, move)).toBe("0::/user\n");
  await daemon.ok("stop", "dev");
  await daemon.ok("start", "dev");
  expect(await daemon.ok(...asRoot, "cat /proc/1/cgroup")).toBe("0::/\n");
  expect(await exec("dev", `cat /proc/${pid}/comm`)).toBe("sleep\n");
});
