/** A sandbox from its create to its destroy, on a real guest, and that nothing of it is left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** Waits in the guest until a command succeeds. */
function poll(command: string): string {
  return `until ${command}; do sleep 0.1; done`;
}

interface Shown {
  id: string;
  name: string;
  status: string;
  cpus: number;
  memory_mb: number;
  engine_id: string;
  engine_meta: Record<string, string>;
  usage: Usage;
}

interface Usage {
  disk_used_mb: number;
  disk_free_mb: number;
  memory_used_mb: number;
  memory_free_mb: number;
  at: string;
}

test("a sandbox is created, listed, used and destroyed, and leaves nothing", async () => {
  await daemon.ok("create", "--name", "first"); // makes the golden snapshot, which stays
  await daemon.ok("destroy", "first", "-y");
  const before = await footprint(daemon);
  expect(before).toEqual({ processes: [], sockets: [], files: [], rows: 0 });

  expect(await daemon.ok("create", "--name", "dev", "--memory", "256")).toContain(
    "sandbox/dev created (1 vCPU, 256 MB",
  );
  expect(await daemon.ok("list")).toContain("dev");
  expect(await daemon.ok("exec", "dev", "--", "echo", "hello")).toBe("hello\n");
  const shown = await daemon.json<Shown>("inspect", "dev");
  expect(shown).toMatchObject({ name: "dev", status: "running", cpus: 1, memory_mb: 256 });
  const during = await footprint(daemon);
  expect(during.processes).toHaveLength(1);
  expect(during.rows).toBe(1);
  const { disk_used_mb, memory_used_mb, memory_free_mb } = shown.usage;
  expect(Math.min(disk_used_mb, memory_used_mb, memory_free_mb)).toBeGreaterThan(0);
  expect(memory_used_mb + memory_free_mb).toBeLessThanOrEqual(256);
  await daemon.ok("stop", "dev");
  const stopped = await daemon.json<Shown & { thermal: string }>("inspect", "dev");
  expect(stopped).toMatchObject({ status: "stopped", thermal: "cold" });
  expect(stopped.usage.at >= shown.usage.at).toBe(true);
  expect(stopped.usage.memory_free_mb).toBeGreaterThan(0);

  expect(await daemon.ok("destroy", "dev", "-y")).toBe("sandbox/dev destroyed\n");
  expect(await footprint(daemon)).toEqual(before);
});

test("the guest is who it was told to be: user, directory, host name, environment, files, init", async () => {
  const file = `${daemon.dataDir}/greeting.txt`;
  const init = `sleep 1000 & echo $! > /workspace/service
    (until [ -e go ]; do sleep 0.1; done; echo late >> init-was-here) &
    echo started > /workspace/init-was-here; exit 3`;
  await Bun.write(file, "hello from the host\n");
  await daemon.ok(
    ...["create", "--name", "who", "--env", "COLOUR=blue,SHAPE=round"],
    ...["--file", `${file}:/etc/greeting`, "--file", `${file}:/workspace/for/me/greeting`],
    ...["--file", `${file}:/etc/group`, "--init", init],
  );
  const script = "id -un; id -u; pwd; hostname; echo $COLOUR $SHAPE; cat /etc/greeting; echo $HOME";
  expect((await daemon.ok("exec", "who", "--", "sh", "-c", script)).split("\n")).toEqual([
    ...[
      "lohar",
      "1000",
      "/workspace",
      "who",
      "blue round",
      "hello from the host",
      "/home/lohar",
      "",
    ],
  ]);
  const ended = `${poll("grep -q started init-was-here")}; sleep 1; kill -0 $(cat service) && echo alive`;
  expect(await daemon.ok("exec", "who", "--", "sh", "-c", ended)).toBe("alive\n");
  const goesOn = `touch go; ${poll("grep -q late init-was-here")}; cat init-was-here`;
  expect(await daemon.ok("exec", "who", "--", "sh", "-c", goesOn)).toBe("started\nlate\n");
  // Root writes them anywhere, and they are the user's; what exists keeps its owner.
  const owners = "stat -c '%u:%g' /etc/greeting for/me/greeting for/me for . /etc";
  expect((await daemon.ok("exec", "who", "--", "sh", "-c", owners)).trim().split("\n")).toEqual([
    ...["1000:1000", "1000:1000", "1000:1000", "1000:1000", "1000:1000", "0:0"],
  ]);
  const kept = "stat -c '%u' /etc/group; cat /etc/group";
  expect(await daemon.ok("exec", "who", "--", "sh", "-c", kept)).toBe("0\nhello from the host\n");
  // The image has no sudo: the agent is that command.
  expect(await daemon.ok("exec", "who", "--", "sudo", "id", "-u")).toBe("0\n");
  await daemon.ok("destroy", "who", "-y");
});

test("a larger disk is there for the guest to fill", async () => {
  await daemon.ok("create", "--name", "big", "--disk-size", "700");
  const script = "df -m / | tail -1 | awk '{print $2}'";
  const megabytes = Number(await daemon.ok("exec", "big", "--", "sh", "-c", script));
  expect(megabytes).toBeGreaterThan(600);
  await daemon.ok("destroy", "big", "-y");
});

test("copies of one snapshot differ in name, machine id, randomness, and know what time it is", async () => {
  const names = ["one", "two", "three", "four", "five"];
  await Promise.all(names.map((name) => daemon.ok("create", "--name", name)));
  const script = "hostname; cat /etc/machine-id; head -c 16 /dev/urandom | od -An -tx1; date +%s";
  const all = await Promise.all(
    names.map(async (name) => {
      const asked = Date.now() / 1000;
      const lines = (await daemon.ok("exec", name, "--", "sh", "-c", script)).trim().split("\n");
      return { lines, asked, told: Date.now() / 1000 };
    }),
  );
  for (const field of [0, 1, 2]) {
    expect(new Set(all.map(({ lines }) => lines[field])).size).toBe(names.length);
  }
  for (const { lines, asked, told } of all) {
    expect(Number(lines[3])).toBeGreaterThan(asked - 30);
    expect(Number(lines[3])).toBeLessThan(told + 30);
  }
  await Promise.all(names.map((name) => daemon.ok("destroy", name, "-y")));
});

test("guest time passes as fast as host time", async () => {
  await daemon.ok("create", "--name", "clock");
  /** The guest's uptime, and between which moments of the host it was that. */
  const look = async () => {
    const after = performance.now() / 1000;
    const told = await daemon.ok("exec", "clock", "--", "cut", "-d ", "-f1", "/proc/uptime");
    return { uptime: Number(told), after, before: performance.now() / 1000 };
  };
  const first = await look();
  await daemon.ok("exec", "clock", "--", "sleep", "5");
  const second = await look();
  const guest = second.uptime - first.uptime;
  expect(guest).toBeGreaterThan(4.9);
  expect(guest).toBeGreaterThan((second.after - first.before) * 0.8);
  expect(guest).toBeLessThan((second.before - first.after) * 1.2);
  await daemon.ok("destroy", "clock", "-y");
});

describe("names", () => {
  test("two creates of one name at once make one sandbox, and both succeed", async () => {
    const outcomes = await Promise.all([1, 2].map(() => daemon.ok("create", "--name", "twin")));
    expect(outcomes.filter((text) => text.includes("created")).length).toBe(1);
    expect(outcomes.filter((text) => text.includes("unchanged")).length).toBe(1);
    await daemon.ok("destroy", "twin", "-y");
  });

  test("a sandbox without a name gets one", async () => {
    const { name } = await daemon.json<Shown>("create");
    expect(name).toMatch(/^sandbox-[0-9a-f]{6}$/);
    await daemon.ok("destroy", name, "-y");
  });
});
