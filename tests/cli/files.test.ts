/** file … as a person and as a script see it. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FileEntry } from "../../src/contract/files.ts";
import { binary, runInTerminal } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
let local: string;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

beforeEach(async () => {
  await daemon.run(["destroy", "dev", "-y"]);
  await daemon.ok("create", "--name", "dev");
  local = mkdtempSync(join(daemon.home, "local-"));
});

const write = (path: string, stdin: string | Uint8Array<ArrayBuffer>, ...flags: string[]) =>
  daemon.run(["file", "write", "dev", path, ...flags], { stdin });
const file = (verb: string, ...args: string[]) => daemon.run(["file", verb, "dev", ...args]);

test("write and read, byte for byte", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(3_000_000));
  expect(await write("data.bin", bytes, "--mode", "0600")).toMatchObject({
    code: 0,
    stdout: "ok\n",
    stderr: "",
  });
  const read = await file("read", "/workspace/data.bin");
  expect(read).toMatchObject({ code: 0, stderr: "" });
  expect(Buffer.compare(read.bytes, bytes)).toBe(0);
  await write("empty", "");
  expect(await file("read", "empty")).toMatchObject({ code: 0, stdout: "" });
  expect(await daemon.run(["file", "write", "dev", "x", "--json"], { stdin: "x" })).toMatchObject({
    stdout: '{\n  "status": "ok"\n}\n',
  });
});

test("a part of a file", async () => {
  await write("lines", "one\ntwo\nthree\n");
  expect((await file("read", "lines", "--offset", "2", "--limit", "1")).stdout).toBe("two\n");
  expect((await file("read", "lines", "--max-bytes", "5")).stdout).toBe("one\nt");
  const json = JSON.parse((await file("read", "lines", "--limit", "1", "--json")).stdout);
  expect(json).toEqual({ content: "one\n", size: 14, mode: "0644" });
  await write("bytes", Uint8Array.of(0xff, 0));
  expect(JSON.parse((await file("read", "bytes", "--json")).stdout)).toMatchObject({
    content: "/wA=",
    encoding: "base64",
  });
});

test("ls has a line for each entry, whatever its name", async () => {
  await write("b", "123", "--mode", "0755");
  await write("a\nc\u001b[2J", "");
  await file("mkdir", "d", "--mode", "700");
  const { stdout, stderr } = await file("ls", "/workspace");
  expect(stderr).toBe("");
  expect(stdout.replace(/^(d\d+ +)\d+ /m, "$1N ").split("\n")).toEqual([
    "-0644          0 a\\nc\\e[2J",
    "-0755          3 b",
    "d0700       N d",
    "",
  ]);
  const entries = JSON.parse((await file("ls", ".", "--json")).stdout) as FileEntry[];
  expect(entries.map(({ name }) => name)).toEqual(["a\nc\u001b[2J", "b", "d"]);
});

test("stat, mkdir, mv, cp, rm", async () => {
  await write("a", "text");
  const { stdout } = await file("stat", "a");
  expect(stdout).toMatch(
    /^Path: {6}\/workspace\/a\nType: {6}file\nSize: {6}4\nMode: {6}0644\nOwner: {5}1000:1000\nModified: {2}20/,
  );
  for (const words of [
    ["mkdir", "d/e", "-p"],
    ["mv", "a", "d/e"],
    ["cp", "d", "f", "-r"],
    ["rm", "d", "-r"],
  ]) {
    const [verb = "", ...args] = words;
    expect(await file(verb, ...args)).toMatchObject({ code: 0, stdout: "ok\n", stderr: "" });
  }
  expect((await file("read", "f/e/a")).stdout).toBe("text");
});

const notFound = "List the directory: bhatti file ls dev <directory>";
test.each<[string[], string, string]>([
  [["read", "nothing"], "404 Not Found: Cannot read '/workspace/nothing': No such file", notFound],
  [["ls", "nothing"], "404 Not Found: Cannot list '/workspace/nothing': No such file", notFound],
  [["pull", "nothing", "here"], "404 Not Found: Cannot stat '/workspace/nothing'", notFound],
  [["read", "."], "400 Bad Request: Cannot read '/workspace/.': Is a directory", "For directories"],
  [["read", "file/x"], "400 Bad Request: Cannot read '/workspace/file/x': Not a", "Check its type"],
  [["ls", "file"], "400 Bad Request: Cannot list '/workspace/file': Not a", "Check its type"],
  [
    ["read", "/root/x"],
    "403 Forbidden: Cannot read '/root/x': Permission",
    "Act as root: --as-root",
  ],
  [["rm", "dir"], "409 Conflict: Cannot remove '/workspace/dir': Directory not", "Remove it with"],
  [["push", "nowhere", "x"], 'Error: cannot read "nowhere": No such file or directory', ""],
  [
    ["write", "x", "--mode", "9999"],
    "Error: --mode must be octal permission bits such as",
    "Usage: ",
  ],
  [["read", "x", "--offset", "0"], "Error: --offset must be between 1 and", "Usage: "],
  [["read", ""], "400 Bad Request: path: must not be empty", ""],
])("bhatti file %p is refused with the error and a hint", async (words, first, second) => {
  await write("file", "text");
  await write("dir/file", "text");
  const [verb = "", ...args] = words;
  const { code, stdout, stderr } = await file(verb, ...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  const [line = "", hint = "", ...rest] = stderr.split("\n");
  expect([line.startsWith(first), hint.startsWith(second), rest.length <= 2]).toEqual([
    true,
    true,
    true,
  ]);
});

test("a sandbox that is not there", async () => {
  for (const words of [
    ["read", "nobody", "x"],
    ["write", "nobody", "x"],
    ["push", "nobody", ".", "x"],
    ["watch", "nobody", "x"],
  ]) {
    expect(await daemon.run(["file", ...words], { stdin: "", cwd: local })).toMatchObject({
      code: 1,
      stderr: "404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n",
    });
  }
});

test("more than 100 MB on stdin are refused here, exactly 100 MB are taken", async () => {
  const most = new Uint8Array(104_857_600);
  expect(await write("big", most)).toMatchObject({ code: 0, stdout: "ok\n" });
  const { code, stderr } = await write("big", new Uint8Array(104_857_601));
  expect(code).toBe(1);
  expect(stderr).toBe(
    "Error: stdin has more than 104857600 bytes, the maximum\n" +
      "For large files, use: bhatti file push dev <local> big\n",
  );
  expect((await file("read", "big")).bytes).toHaveLength(104_857_600);
}, 120_000);

test("what a reader does not want ends the read without a word", async () => {
  await write("big", new Uint8Array(20_000_000));
  const child = Bun.spawn(["sh", "-c", `"$0" file read dev big | head -c 10`, binary], {
    env: { PATH: process.env["PATH"], ...daemon.env },
    stdout: "pipe",
    stderr: "pipe",
  });
  expect([(await new Response(child.stdout).bytes()).length, await child.exited]).toEqual([10, 0]);
  expect(await new Response(child.stderr).text()).toBe("");
});

function makeTree(): string {
  const tree = join(local, "tree");
  mkdirSync(join(tree, "empty"), { recursive: true });
  mkdirSync(join(tree, "bin"));
  writeFileSync(join(tree, "bin/run"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(tree, "ü \n"), "text", { mode: 0o640 });
  symlinkSync("/usr/bin/env", join(tree, "absolute"));
  symlinkSync("bin/run", join(tree, "relative"));
  return tree;
}

/** Names, modes and where links lead. */
async function shapeOf(path: string): Promise<string> {
  const find = Bun.spawn(["find", ".", "-mindepth", "1", "-printf", "%p %y %m %l\\0"], {
    cwd: path,
  });
  return (await new Response(find.stdout).text()).split("\0").toSorted().join("\0");
}

test("a directory, there and back, is the same", async () => {
  const tree = makeTree();
  expect(await file("push", tree, "app")).toMatchObject({
    code: 0,
    stdout: "pushed 4 files, 14 B\n",
    stderr: "",
  });
  const back = join(local, "back");
  expect(await file("pull", "app", back)).toMatchObject({
    code: 0,
    stdout: "pulled 4 files, 14 B\n",
    stderr: "",
  });
  expect(await shapeOf(back)).toBe(await shapeOf(tree));
  expect(await Bun.file(join(back, "ü \n")).text()).toBe("text");
  expect(JSON.parse((await file("push", tree, "app", "--json")).stdout)).toEqual({
    entries: 6,
    bytes: 14,
  });
});

test("what is neither file nor directory nor link is skipped, and told", async () => {
  const tree = makeTree();
  Bun.spawnSync(["mkfifo", join(tree, "pipe")]);
  expect(await file("push", tree, "app")).toMatchObject({
    code: 0,
    stdout: "pushed 4 files, 14 B\n",
    stderr: "Skipped 1 special files (devices, sockets, FIFOs)\n",
  });
  expect(JSON.parse((await file("push", tree, "app", "--json")).stdout)).toEqual({
    entries: 6,
    bytes: 14,
    skipped: 1,
  });
});

test("a pipe is not waited for, and is no empty file", async () => {
  const pipe = join(local, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  expect(await file("push", pipe, "app")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `Error: "${pipe}" is neither a file nor a directory
For a pipe or a device, use stdin: bhatti file write dev app
`,
  });
});

test("a file goes where its path says", async () => {
  const source = join(local, "one.txt");
  writeFileSync(source, "1");
  await file("mkdir", "dir");
  for (const [to, found] of [
    ["renamed", "renamed"],
    ["dir", "dir/one.txt"],
    ["new/", "new/one.txt"],
    ["/workspace/deep/er", "deep/er"],
  ] as const) {
    expect((await file("push", source, to)).stderr).toBe("");
    expect((await file("read", found)).stdout).toBe("1");
  }
  mkdirSync(join(local, "dir"));
  for (const [to, found] of [
    ["copy", "copy"],
    ["dir", "dir/renamed"],
    ["other/", "other/renamed"],
  ] as const) {
    expect((await file("pull", "renamed", join(local, to))).stderr).toBe("");
    if (to.endsWith("/")) expect(await Bun.file(join(local, found)).text()).toBe("1");
  }
  expect((await file("pull", "dir", source)).stderr).toContain("cannot copy the directory");
});

test("a pull follows no link that is here, and writes nothing outside", async () => {
  await write("app/a/file", "theirs");
  const outside = join(local, "outside");
  mkdirSync(join(local, "back"));
  mkdirSync(outside);
  symlinkSync(outside, join(local, "back/a"));
  const { code, stderr } = await file("pull", "app", join(local, "back"));
  expect(code).toBe(1);
  expect(stderr).toContain("is a symbolic link, which pull does not follow");
  expect(await shapeOf(outside)).toBe("");
});

async function isWatched(): Promise<boolean> {
  const look = ["sh", "-c", "grep -qs ^inotify /proc/[0-9]*/fdinfo/*"];
  return (await daemon.run(["exec", "-u", "root", "dev", "--", ...look])).code === 0;
}

test("watch prints a line for each change, until Ctrl+C", async () => {
  for (const [flags, expected] of [
    [[], "created /workspace/new file"],
    [["--json"], '{"type":"modified","path":"/workspace/new file","is_dir":false}'],
  ] as const) {
    const child = Bun.spawn([binary, "file", "watch", "dev", ".", ...flags], {
      env: { PATH: process.env["PATH"], ...daemon.env },
      stdout: "pipe",
      stderr: "pipe",
    });
    await until("it watches", isWatched);
    await daemon.ok("exec", "dev", "--", "sh", "-c", "echo x >> 'new file'");
    const { value } = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(value).split("\n")[0]).toBe(expected);
    child.kill("SIGINT");
    await child.exited;
    expect(child.signalCode).toBe("SIGINT");
    await until("it is over", async () => !(await daemon.ok("inspect", "dev")).includes("in use"));
    await until("the guest is no longer asked", async () => !(await isWatched()));
  }
});

test("on a terminal a push shows how far it is, and then how much it was", async () => {
  const tree = makeTree();
  const run = runInTerminal([binary, "file", "push", "dev", tree, "app"], daemon.env);
  await run.shows("pushed 4 files, 14 B");
  expect(await run.exited).toBe(0);
});
