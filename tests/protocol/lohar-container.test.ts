/** lohar in a container, as the fake engine runs it: its own resources, and those of the host. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Guest } from "../../src/agent/guest.ts";
import { lohar as binary, generous, isAlive, RealLohar, run, until } from "../support/lohar.ts";

setDefaultTimeout(120_000);

async function said(guest: Guest, command: string, user: "lohar" | "root" = "lohar") {
  return (await run(guest, command, { user })).stdout.toString();
}

/** Of the host, those whose command line has the text. */
function processesWith(text: string): number[] {
  const commandLine = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    } catch {
      return "";
    }
  };
  const pids = readdirSync("/proc").map(Number).filter(Boolean);
  return pids.filter((pid) => isAlive(pid) && commandLine(pid).includes(text));
}

test("a container has the user lohar, a host name and directories of its own", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  const ofHost = [hostname(), readFileSync("/etc/passwd", "utf8")];
  await guest.configure({ hostname: "dev", machineId: "0".repeat(32) }, generous());
  expect(await said(guest, "id -un; pwd; hostname; cat /etc/hostname /etc/machine-id")).toBe(
    `lohar\n/workspace\ndev\ndev\n${"0".repeat(32)}\n`,
  );
  expect(await said(guest, "id -un", "root")).toBe("root\n");
  expect(await said(guest, "ls /root")).toBe("");
  expect([hostname(), readFileSync("/etc/passwd", "utf8")]).toEqual(ofHost);
});

test("a container's files have the usual modes under any umask", async () => {
  const umask = process.umask(0o077);
  const starting = RealLohar.start("--root").finally(() => process.umask(umask));
  await using lohar = await starting;
  const guest = await lohar.connect();
  expect(await said(guest, "stat -c %a /dev /etc/passwd; touch x; stat -c %a x")).toBe(
    "755\n644\n644\n",
  );
});

test("a container's root can change its own files and not the host's programs", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  await said(guest, "echo kept > /etc/motd", "root");
  expect(readFileSync(join(lohar.root, "etc/motd"), "utf8")).toBe("kept\n");
  const refused = await run(guest, "touch /usr/bhatti-test", { user: "root" });
  expect(refused.stderr.toString()).toContain("Read-only file system");
  expect(existsSync("/usr/bhatti-test")).toBe(false);
});

test("a container sees its own processes and no network but the loopback", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  expect(await said(guest, "cat /proc/1/comm")).toBe("lohar\n");
  expect(await said(guest, "grep -c : /proc/net/dev")).toBe("1\n");
  expect((await guest.activity(generous())).networkBytes).toBe(0);
});

test("SIGTERM shuts a container down in good order", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  const script = "trap 'echo bye > /workspace/end; exit' TERM; echo ready; sleep 600 & wait";
  const request = { argv: ["sh", "-c", script], stdin: false, timeoutMs: 0 };
  const trap = await guest.exec(request, generous());
  for await (const _ready of trap) break;
  process.kill(lohar.pid, "SIGTERM");
  expect(await lohar.exited).toBe(0);
  expect(readFileSync(join(lohar.directory, "end"), "utf8")).toBe("bye\n");
});

test("all of a container ends when lohar is killed", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  const seconds = `600.${process.pid}${Date.now() % 10_000}`;
  const request = { argv: ["sleep", seconds], stdin: false, timeoutMs: 0 };
  const sleep = await guest.exec(request, generous());
  void sleep.result.catch(() => {});
  expect(processesWith(`sleep ${seconds}`)).toHaveLength(1);
  process.kill(lohar.pid, "SIGKILL");
  await until(() => processesWith(`sleep ${seconds}`).length === 0);
});

test("SIGINT ends a container at once, and its process is the last to go", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  const seconds = `600.${process.pid}${Date.now() % 10_000}`;
  const argv = ["sh", "-c", `trap "" TERM; sleep ${seconds}; sleep ${seconds}`];
  const sleep = await guest.exec({ argv, stdin: false, timeoutMs: 0 }, generous());
  void sleep.result.catch(() => {});
  await until(() => processesWith(`sleep ${seconds}`).length > 0);
  process.kill(lohar.pid, "SIGINT");
  expect(await lohar.exited).toBe(137);
  expect(processesWith(`sleep ${seconds}`)).toEqual([]);
});

test("a container ends with the process that started it", async () => {
  await using lohar = await RealLohar.start("--root");
  const line = join(lohar.root, "other");
  // The shell waits for lohar, instead of becoming it.
  const script = `"${binary}" --socket "${line}" --root "${lohar.root}"; true`;
  const shell = Bun.spawn(["sh", "-c", script], { stdin: "ignore" });
  await until(() => processesWith(line).length >= 3 && existsSync(line));
  shell.kill("SIGKILL");
  await until(() => processesWith(line).length === 0);
});

test("exec of a terminal fails with guest_failed where the container has none", async () => {
  await using lohar = await RealLohar.start("--root");
  const guest = await lohar.connect();
  await said(guest, "rm /dev/ptmx", "root");
  const tty = { rows: 24, cols: 80 };
  await expect(
    guest.exec({ argv: ["true"], stdin: false, tty, timeoutMs: 60_000 }, generous()),
  ).rejects.toMatchObject({
    code: "guest_failed",
    message: "Cannot open a terminal: No such file or directory",
  });
});
