/** file push, pull, write and ls: modes, holes, times, sizes that change. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { chmod, utimes } from "node:fs/promises";
import { join } from "node:path";
import { bytesText } from "../../src/cli/terminal/size.ts";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
let local: string;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  local = mkdtempSync(join(daemon.home, "local-"));
  await daemon.ok("exec", "dev", "--", "sh", "-c", "rm -rf /workspace/*");
});

const inside = (script: string) => daemon.ok("exec", "dev", "--", "sh", "-c", script);
const file = (verb: string, ...args: string[]) => daemon.run(["file", verb, "dev", ...args]);

test("file write keeps the mode of a script, unless --mode gives one", async () => {
  const write = (...flags: string[]) =>
    daemon.run(["file", "write", "dev", "run.sh", ...flags], { stdin: "#!/bin/sh\n" });
  const mode = async () => (await inside("stat -c %a run.sh")).trim();
  await write();
  expect(await mode()).toBe("644");
  await inside("chmod 755 run.sh");
  await write();
  expect(await mode()).toBe("755");
  await write("--mode", "0600");
  expect(await mode()).toBe("600");
});

test("file ls lists 10,000 entries and reports the truncation; --all lists all", async () => {
  await inside("mkdir many && cd many && seq -f %06g 1 10003 | xargs touch");
  const some = await file("ls", "many");
  expect(some.stdout.split("\n")).toHaveLength(10_001);
  expect(some.stderr).toBe("Listing truncated after 10000 entries; to list all, use --all\n");
  const all = await file("ls", "many", "--all");
  expect(all).toMatchObject({ code: 0, stderr: "" });
  expect(all.stdout.split("\n")).toHaveLength(10_004);
  const json = JSON.parse((await file("ls", "many", "--all", "--json")).stdout);
  expect(json).toHaveLength(10_003);
});

test("push and pull keep holes, nanoseconds and the sticky bit", async () => {
  const tree = join(local, "tree");
  mkdirSync(join(tree, "sticky"), { recursive: true });
  await chmod(join(tree, "sticky"), 0o1777);
  writeFileSync(join(tree, "disk"), "start");
  truncateSync(join(tree, "disk"), 300_000_000);
  await utimes(join(tree, "disk"), 1_700_000_000, 1_700_000_000.25);
  expect(await file("push", tree, "tree")).toMatchObject({ code: 0, stderr: "" });
  expect(
    await inside("du -k tree/disk; stat -c '%s %Y' tree/disk; stat -c %a tree/sticky"),
  ).toMatch(/^\d{1,2}\t.*\n300000000 1700000000\n1777\n$/);
  await inside("touch -d '2001-02-03 04:05:06.123456789' tree/disk");
  expect(await file("pull", "tree", join(local, "back"))).toMatchObject({ code: 0, stderr: "" });
  const { size, blocks, mtimeNs } = statSync(join(local, "back/disk"), { bigint: true });
  expect(size).toBe(300_000_000n);
  expect(blocks).toBeLessThan(100n);
  expect(mtimeNs % 1_000_000_000n).toBe(123_456_789n);
  expect(statSync(join(local, "back/sticky")).mode & 0o7777).toBe(0o1777);
});

test("pull drops set-user-ID bits and says so, unless they are asked for", async () => {
  await inside("mkdir tree; touch tree/program; chmod 4755 tree/program");
  const mode = () => statSync(join(local, "tree/program")).mode & 0o7777;
  const dropped = await file("pull", "tree", join(local, "tree"));
  expect(dropped).toMatchObject({
    code: 0,
    stderr: "Dropped the set-user-ID and set-group-ID bits of 1 file: keep them with -p\n",
  });
  expect(mode()).toBe(0o755);
  expect(await file("pull", "-p", "tree", join(local, "tree"))).toMatchObject({ stderr: "" });
  expect(mode()).toBe(0o4755);
});

test.each([
  ["read", ["file", "read", "dev", "log"]],
  ["pull", ["file", "pull", "dev", "log", "-"]],
])(
  "file %s of a file that is truncated meanwhile prints what was there, and fails with the sizes",
  async (_, args) => {
    await inside("yes | head -c 60000000 > log");
    const env = { PATH: process.env["PATH"], ...daemon.env };
    const client = Bun.spawn([binary, ...args], { env, stdout: "pipe", stderr: "pipe" });
    const bytes: Uint8Array[] = [];
    for await (const piece of client.stdout) {
      if (bytes.length === 0) await inside("truncate -s 100 log");
      bytes.push(piece);
    }
    const content = Buffer.concat(bytes);
    expect(await client.exited).toBe(1);
    const said = await new Response(client.stderr).text();
    const sizes = `file changed as we read it: shrank from 60000000 to ${content.length} bytes`;
    expect(said).toContain(sizes);
    expect(content.includes(0)).toBe(false);
  },
);

function bytesIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  const sizeOf = (name: string) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  return readdirSync(folder).reduce((sum, name) => sum + sizeOf(name), 0);
}

test("pull of a directory with a file that is truncated meanwhile copies the others, and names it", async () => {
  await inside("mkdir logs; echo a > logs/a; yes | head -c 60000000 > logs/log; echo z > logs/z");
  const into = join(local, "logs");
  const env = { PATH: process.env["PATH"], ...daemon.env };
  const args = [binary, "file", "pull", "dev", "logs", into];
  const client = Bun.spawn(args, { env, stdout: "pipe", stderr: "pipe" });
  await until("a part of the log is copied", () => bytesIn(into) > 1_000_000);
  client.kill("SIGSTOP");
  await inside(": > logs/log");
  client.kill("SIGCONT");
  const code = await client.exited;
  const stdout = await new Response(client.stdout).text();
  const stderr = await new Response(client.stderr).text();
  const { size } = statSync(join(into, "log"));
  expect({ code, stdout }).toMatchObject({
    code: 1,
    stdout: `pulled 3 files, ${bytesText(size + 4)}\n`,
  });
  expect(stderr).toContain(
    `log: file changed as we read it: shrank from 60000000 to ${size} bytes`,
  );
  for (const name of ["a", "z"]) expect(await Bun.file(join(into, name)).text()).toBe(`${name}\n`);
});

test("push skips files that cannot be read, lists them with the reason, and exits 1", async () => {
  const { code, stdout, stderr } = await file("push", "/sys/class/net/lo", "lo");
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(/^pushed \d+ files/) });
  expect(stderr).toMatch(
    /^Error: cannot read \d+ entries of \/sys\/class\/net\/lo, copied the others: /,
  );
  expect(stderr).toContain("speed (Invalid argument)");
  expect(await inside("cat lo/mtu")).toBe("65536\n");
});

test("files of /proc are read and pulled, and those of /proc and /sys pushed and written", async () => {
  const there = await inside("cat /proc/version");
  expect((await file("read", "/proc/version")).stdout).toBe(there);
  await file("pull", "/proc/version", join(local, "pulled"));
  expect(await Bun.file(join(local, "pulled")).text()).toBe(there);
  for (const path of ["/proc/version", "/sys/devices/system/cpu/online"]) {
    const expected = Bun.spawnSync(["cat", path]).stdout.toString();
    expect(expected.length).toBeGreaterThan(0);
    expect(await file("push", path, "pushed")).toMatchObject({ code: 0 });
    const written = Bun.spawnSync([binary, "file", "write", "dev", "written"], {
      env: { PATH: process.env["PATH"], ...daemon.env },
      stdin: Bun.file(path),
    });
    expect(written.exitCode).toBe(0);
    expect(await inside("cat pushed")).toBe(expected);
    expect(await inside("cat written")).toBe(expected);
  }
});
