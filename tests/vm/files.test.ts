/** Files of a real guest, over the whole way: command line, daemon, line, agent, ext4. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileEntry } from "../../src/contract/files.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";

let daemon: MachineDaemon;
let local: string;
beforeAll(async () => {
  daemon = await startMachineDaemon();
  local = mkdtempSync(join(tmpdir(), "bhatti-files-"));
  await daemon.ok("create", "--name", "dev", "--memory", "256", "--cpus", "1");
}, 120_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(local, { recursive: true, force: true });
});

const file = (verb: string, ...args: string[]) => daemon.run(["file", verb, "dev", ...args]);
const write = (path: string, stdin: Uint8Array | string, ...flags: string[]) =>
  daemon.run(["file", "write", "dev", path, ...flags], { stdin });
const shell = (script: string) => daemon.ok("exec", "dev", "--", "sh", "-c", script);
const fine = { code: 0, stderr: "" };

test("what is written is the user's, whole and with its mode; as root it is root's", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(300_000));
  expect(await write("a/b c/ü.bin", bytes, "--mode", "0640")).toMatchObject(fine);
  expect(await shell("stat -c '%u:%g %a %s' 'a/b c/ü.bin'; stat -c %u a")).toBe(
    "1000:1000 640 300000\n1000\n",
  );
  expect(Buffer.compare((await file("read", "a/b c/ü.bin")).bytes, bytes)).toBe(0);
  expect((await write("/root/no", "x")).stderr).toStartWith("403 Forbidden");
  expect(await write("/root/yes", "x", "--as-root", "--mode", "0600")).toMatchObject(fine);
  expect((await file("read", "/root/yes")).stderr).toStartWith("403 Forbidden");
  expect((await file("read", "/root/yes", "--as-root")).stdout).toBe("x");
});

test("every command does what it says", async () => {
  await write("lines", "one\ntwo\nthree\n");
  expect((await file("read", "lines", "--offset", "2", "--limit", "1")).stdout).toBe("two\n");
  expect((await file("read", "lines", "--max-bytes", "5")).stdout).toBe("one\nt");
  for (const words of [
    ["mkdir", "d/e", "-p", "--mode", "0750"],
    ["cp", "lines", "d/e"],
    ["mv", "d", "moved"],
    ["cp", "moved", "copied", "-r"],
    ["rm", "moved", "-r"],
  ]) {
    const [verb = "", ...args] = words;
    expect([words, await file(verb, ...args)]).toMatchObject([words, { ...fine, stdout: "ok\n" }]);
  }
  await shell("ln -s e copied/link; touch \"copied/$(printf 'new\\nline')\"");
  const { stdout } = await file("ls", "copied");
  expect(stdout).toMatch(/^d0750 +\d+ e\nl0777 +1 link -> e\n-0644 +0 new\\nline\n$/);
  const entry = JSON.parse((await file("stat", "copied/link", "--json")).stdout) as FileEntry;
  expect(entry).toMatchObject({ type: "directory", is_dir: true, mode: "0750", uid: 1000 });
});

test.each<[string[], string]>([
  [["read", "nothing"], "404 Not Found"],
  [["read", "/workspace"], "400 Bad Request"],
  [["ls", "lines"], "400 Bad Request"],
  [["read", "lines/below"], "400 Bad Request"],
  [["mkdir", "lines"], "409 Conflict"],
  [["rm", "copied"], "409 Conflict"],
  [["push", "/etc/hostname", "lines/below"], "400 Bad Request"],
])("bhatti file %p is refused", async (words, status) => {
  const [verb = "", ...args] = words;
  const { code, stderr } = await file(verb, ...args);
  expect([code, stderr.split(":")[0]]).toEqual([1, status]);
});

async function shapeOf(path: string): Promise<string[]> {
  const find = Bun.spawn(["find", ".", "-mindepth", "1", "-printf", "%p %y %m %l %n %Ts\\0"], {
    cwd: path,
  });
  const lines = (await new Response(find.stdout).text()).split("\0");
  return lines
    .map((line) => (/ d \d+ /.test(line) ? line.replace(/ \d+ \d+$/, "") : line))
    .toSorted();
}

test("a directory, there and back, is the same", async () => {
  const tree = join(local, "tree");
  mkdirSync(join(tree, "empty"), { recursive: true, mode: 0o700 });
  mkdirSync(join(tree, "d".repeat(150)));
  writeFileSync(join(tree, "d".repeat(150), "n".repeat(200)), "long");
  writeFileSync(join(tree, "run"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(tree, "ü \n\t\\"), "text", { mode: 0o640 });
  utimesSync(join(tree, "run"), 1_000_000_000, 1_000_000_000);
  symlinkSync("/nowhere/at/all", join(tree, "absolute"));
  symlinkSync("run", join(tree, "relative"));
  linkSync(join(tree, "run"), join(tree, "empty/second name"));
  expect(await file("push", tree, "tree")).toMatchObject({
    ...fine,
    stdout: "pushed 6 files, 18 B\n",
  });
  expect(await shell("stat -c %u tree/run; tree/run && readlink tree/relative")).toBe(
    "1000\nrun\n",
  );
  const back = join(local, "back");
  expect(await file("pull", "tree", back)).toMatchObject({
    ...fine,
    stdout: "pulled 6 files, 18 B\n",
  });
  expect(await shapeOf(back)).toEqual(await shapeOf(tree));
});

test("what cannot be read is named, and the rest is pulled", async () => {
  await shell("mkdir -p part/closed && cd part && : > closed/x && echo text > z && mkfifo pipe");
  await shell("cd part && : > mine && chmod 0 mine closed");
  const into = join(local, "part");
  const { code, stdout, stderr } = await file("pull", "part", into);
  expect([code, stdout]).toEqual([1, "pulled 1 file, 5 B\n"]);
  expect(stderr).toContain("Skipped 1 special files (devices, sockets, FIFOs)");
  expect(stderr).toContain("cannot read 2 entries of part, copied the others");
  const names = "closed (Permission denied), mine (Permission denied)";
  expect(stderr).toContain(`: ${names}\nAct as root: --as-root`);
  expect(readFileSync(join(into, "z"), "utf8")).toBe("text\n");
  expect((await file("pull", "part", into, "--as-root")).code).toBe(0);
  expect(readdirSync(into).toSorted()).toEqual(["closed", "mine", "z"]);
  // What may be opened, or seen as a link, and is refused when it is read.
  const made = await file("pull", "/proc/1", join(local, "proc"));
  expect([made.code, made.stderr.split(",")[0]]).toEqual([
    1,
    expect.stringMatching(/^Error: cannot read \d+ entries of \/proc\/1/),
  ]);
});

test("what is no file is not written over, not even by root", async () => {
  for (const [path = "", ...flags] of [["/dev/null", "--as-root"], ["fifo"], ["nothing/"]]) {
    await shell("test -p fifo || mkfifo fifo");
    const { code, stderr } = await write(path, "x", ...flags);
    expect([path, code, stderr.split(":")[0]]).toEqual([path, 1, "400 Bad Request"]);
  }
  expect(await shell("test -c /dev/null && test -p fifo && ! test -e nothing && echo fine")).toBe(
    "fine\n",
  );
});

test("many small files, and one large one", async () => {
  const many = join(local, "many");
  for (let folder = 0; folder < 20; folder += 1) {
    mkdirSync(join(many, `${folder}`), { recursive: true });
    for (let n = 0; n < 50; n += 1) writeFileSync(join(many, `${folder}/${n}`), `${folder} ${n}`);
  }
  expect(await file("push", many, "many")).toMatchObject(fine);
  expect(await shell("find many -type f | wc -l; cat many/19/49")).toBe("1000\n19 49");
  const large = join(local, "large");
  await Bun.write(large, Buffer.alloc(8_000_000, "all work and no play "));
  expect(await file("push", large, "/workspace/")).toMatchObject(fine);
  expect(await file("pull", "large", join(local, "large-back"))).toMatchObject(fine);
  expect(await Bun.file(join(local, "large-back")).bytes()).toEqual(await Bun.file(large).bytes());
});

test("a link that the user swaps leads no write of root's elsewhere", async () => {
  await shell("mkdir -p trap && ln -sfn /etc trap/dir");
  const { code, stderr } = await write("trap/dir/bhatti-test", "x", "--as-root");
  expect([code, stderr.split("\n")[0]]).toEqual([1, expect.stringContaining("403 Forbidden")]);
  await daemon.ok(
    ...["exec", "dev", "--", "sh", "-c"],
    "(i=0; while [ $i -lt 400 ]; do ln -sfn /etc trap/swap; rm trap/swap; mkdir trap/swap; rmdir trap/swap; i=$((i+1)); done) >/dev/null 2>&1 &",
  );
  for (let tries = 0; tries < 10; tries += 1)
    await write("trap/swap/bhatti-test", "x", "--as-root");
  expect((await file("ls", "/etc")).stdout).not.toContain("bhatti-test");
});

test("a disk that is full is said, and the old file stays", async () => {
  await write("kept", "old");
  const free = "$(df -k . | awk 'END { print $4 }')";
  await shell(`fallocate -l "${free}k" fill; dd if=/dev/zero of=rest bs=64k 2>/dev/null; true`);
  const { code, stderr } = await write("kept", new Uint8Array(5_000_000));
  expect([code, stderr.split("\n")]).toEqual([
    1,
    [expect.stringMatching(/^507 Insufficient Storage: /), "Free disk space in the sandbox", ""],
  ]);
  expect((await file("read", "kept")).stdout).toBe("old");
  const pushed = await file("push", join(local, "many"), "more");
  expect(pushed.stderr).toStartWith("507 Insufficient Storage");
  await shell("rm fill rest");
  expect(await write("kept", "new")).toMatchObject(fine);
});
