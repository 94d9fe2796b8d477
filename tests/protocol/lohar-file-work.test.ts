import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, lchown, mkdir, readdir, readlink, stat, symlink, utimes } from "node:fs/promises";
import type { FileSelection } from "../../src/agent/guest-files.ts";
import { isBhattiError } from "../../src/errors/bhatti-error.ts";
import { failureOf } from "../support/failure.ts";
import { generous, run, until } from "../support/lohar.ts";
import { at, bytesOf, piecesOf, tarOf } from "../support/lohar-files.ts";
import { guest, here, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

async function read(path: string, selection: FileSelection = {}): Promise<string> {
  const file = await guest.files.read(at(path), selection, generous());
  return (await bytesOf(file)).toString();
}

test.each([0, 1, 1000, 16_384, 32_768, 3_000_001])(
  "a file of %d bytes is read as it is",
  async (size) => {
    const content = Buffer.alloc(size, "some words ");
    await Bun.write(here("file"), content);
    await chmod(here("file"), 0o640);
    await utimes(here("file"), 1_700_000_000.5, 1_700_000_000.5);
    const file = await guest.files.read(at("file"), {}, generous());
    expect(file).toMatchObject({ size, mode: 0o640, mtimeMs: 1_700_000_000_500, bytes: size });
    expect((await bytesOf(file)).equals(content)).toBe(true);
  },
);

test("some lines, some bytes, whichever ends first", async () => {
  await Bun.write(here("file"), "one\ntwo\nthree\nfour\nlast");
  expect(await read("file", { offset: 2, limit: 2 })).toBe("two\nthree\n");
  expect(await read("file", { offset: 5 })).toBe("last");
  expect(await read("file", { offset: 9 })).toBe("");
  expect(await read("file", { limit: 1 })).toBe("one\n");
  expect(await read("file", { maxBytes: 5 })).toBe("one\nt");
  expect(await read("file", { offset: 3, maxBytes: 2 })).toBe("th");
  const known = await guest.files.read(at("file"), { maxBytes: 5 }, generous());
  expect(known.bytes).toBe(5);
  known.release();
  const unknown = await guest.files.read(at("file"), { limit: 5 }, generous());
  expect(unknown.bytes).toBeUndefined();
  unknown.release();
});

test("what the kernel makes up is read to its end", async () => {
  const file = await guest.files.read(at("/proc/self/status"), {}, generous());
  expect(file.bytes).toBeUndefined();
  expect((await bytesOf(file)).toString()).toStartWith("Name:\tlohar\n");
});

test.each([
  ["missing", "path_not_found", "Cannot read '"],
  ["directory", "is_directory", "Is a directory"],
  ["fifo", "bad_request", "Not a regular file"],
  ["/dev/null", "bad_request", "Not a regular file"],
  ["file/below", "not_directory", "Not a directory"],
  ["loop", "bad_request", "Cannot read '"],
  ["x".repeat(300), "bad_request", "File name too long"],
  ["", "bad_request", "empty"],
  ["zero\0byte", "bad_request", "NUL byte"],
])("reading %j is %s", async (path, code, words) => {
  await mkdir(here("directory"));
  await Bun.write(here("file"), "");
  await symlink("loop", here("loop"));
  await run(guest, "mkfifo fifo");
  const error = await failureOf(guest.files.read(at(path), {}, generous()));
  expect(error).toMatchObject({ code, message: expect.stringContaining(words) });
});

test("a reader that stops holds nobody up, and one that goes ends the work", async () => {
  await Bun.write(here("file"), Buffer.alloc(20_000_000));
  const files = await Promise.all(
    Array.from({ length: 70 }, () =>
      guest.files.read(at("file"), {}, generous()).catch((error) => error),
    ),
  );
  const refused = files.filter((file) => file instanceof Error);
  expect(refused.map((error) => isBhattiError(error) && error.code)).toEqual(
    Array(6).fill("guest_busy"),
  );
  for (const file of files) if (!(file instanceof Error)) file.release();
  await until(async () => (await children()) === 0);
  expect(await read("file", { maxBytes: 1 })).toBe("\0");
});

async function children(): Promise<number> {
  const text = await Bun.file(`/proc/${lohar.pid}/task/${lohar.pid}/children`).text();
  return text.split(" ").filter(Boolean).length;
}

test("stat tells of a link or of what it leads to", async () => {
  await Bun.write(here("file"), "text");
  await symlink("file", here("link"));
  const followed = await guest.files.stat(at("link"), generous());
  expect(followed).toMatchObject({ name: "link", type: "file", size: 4 });
  const itself = await guest.files.stat({ ...at("link"), follow: false }, generous());
  expect(itself).toMatchObject({ name: "link", type: "link", target: "file" });
  expect(await guest.files.stat(at("/"), generous())).toMatchObject({ name: "/", path: "/" });
  expect(await guest.files.stat(at("."), generous())).toMatchObject({ type: "directory" });
});

test("directories are made", async () => {
  const make = (path: string, more = {}) =>
    guest.files.makeDirectory({ ...at(path), ...more }, generous());
  await make("plain");
  expect((await stat(here("plain"))).mode & 0o7777).toBe(0o755);
  await make("own", { mode: 0o2770 });
  expect((await stat(here("own"))).mode & 0o7777).toBe(0o2770);
  expect((await failureOf(make("plain"))).code).toBe("path_exists");
  expect((await failureOf(make("a/b"))).code).toBe("path_not_found");
  await make("a/b", { parents: true });
  await make("a/b", { parents: true });
  await make("/", { parents: true });
  await Bun.write(here("file"), "");
  expect((await failureOf(make("file", { parents: true }))).code).toBe("path_exists");
  expect((await failureOf(make("file/a", { parents: true }))).code).toBe("not_directory");
});

test("what is removed is gone, and never what a link leads to", async () => {
  const remove = (path: string, recursive = false) =>
    guest.files.remove({ ...at(path), recursive }, generous());
  await Bun.write(here("kept/file"), "");
  await Bun.write(here("tree/deep/er/file"), "");
  await symlink("../kept", here("tree/link"));
  await symlink("kept", here("link"));
  await mkdir(here("empty"));
  await remove("link", true);
  await remove("empty");
  expect((await failureOf(remove("tree"))).code).toBe("directory_not_empty");
  await remove("tree", true);
  expect(await readdir(lohar.directory)).toEqual(["kept"]);
  expect(await readdir(here("kept"))).toEqual(["file"]);
  expect((await failureOf(remove("tree", true))).code).toBe("path_not_found");
  for (const path of ["/", ".", "kept/..", "kept/."]) {
    expect((await failureOf(remove(path, true))).code).toBe("bad_request");
  }
});

test("a deep tree is removed", async () => {
  await run(guest, "p=a; for i in $(seq 300); do p=$p/a; done; mkdir -p $p; touch $p/file");
  await guest.files.remove({ ...at("a"), recursive: true }, generous());
  expect(await readdir(lohar.directory)).toEqual([]);
});

test("a file is moved to a name, in place of another, or into a directory", async () => {
  const move = (from: string, to: string) => guest.files.move(at(from), to, generous());
  await Bun.write(here("a"), "a");
  await Bun.write(here("b"), "b");
  await mkdir(here("into"));
  await move("a", "b");
  expect(await readdir(lohar.directory)).toEqual(["b", "into"]);
  await move("b", "into");
  await symlink("into", here("link"));
  await Bun.write(here("c"), "c");
  await move("c", "link");
  expect((await readdir(here("into"))).toSorted()).toEqual(["b", "c"]);
  await move("link", "renamed");
  expect(await readlink(here("renamed"))).toBe("into");
  expect((await failureOf(move("into", "into/b"))).code).toBe("bad_request");
  expect((await failureOf(move("none", "into"))).code).toBe("path_not_found");
  expect((await failureOf(move("into", "no/where"))).code).toBe("path_not_found");
});

test("root is not led by somebody else's link", async () => {
  await Bun.write(here("real/file"), "text");
  await symlink("real", here("theirs"));
  await lchown(here("theirs"), 1000, 1000);
  await symlink("real", here("roots"));
  await chmod(lohar.directory, 0o755);
  const files = guest.files;
  for (const attempt of [
    () => files.read(at("theirs/file", "root"), {}, generous()),
    () => files.list(at("theirs", "root"), generous()),
    () => files.remove(at("theirs/file", "root"), generous()),
    () => files.move(at("real/file", "root"), "theirs", generous()),
    () => files.makeDirectory(at("theirs/made", "root"), generous()),
    () =>
      guest.writeFile(
        { path: here("theirs/file"), mode: 0o644, user: "root" },
        Buffer.of(1),
        generous(),
      ),
  ]) {
    const error = await failureOf(attempt());
    expect(error.code).toBe("unsafe_path");
    expect(error.message).toContain(here("theirs"));
  }
  (await files.read(at("roots/file", "root"), {}, generous())).release();
  (await files.read(at("theirs/file"), {}, generous())).release();
  expect(await files.stat({ ...at("theirs", "root"), follow: false }, generous())).toMatchObject({
    type: "link",
  });
});

test("what is not packed is named in a header that tar and unpacking pass over", async () => {
  await run(guest, "mkdir tree && cd tree && : > a && mkfifo b && : > c");
  const packed = await bytesOf(await guest.files.pack(at("tree"), generous()));
  await Bun.write(here("packed.tar"), packed);
  const { stdout } = await run(guest, "tar -tf packed.tar");
  expect(stdout.toString()).toBe("a\nc\n");
  expect(packed.includes("BHATTI.left-out=special b\n")).toBe(true);
  const again = guest.files.unpack(at("again"), piecesOf(packed), generous());
  expect(await again).toMatchObject({ entries: 2 });
});

test("a pipe gives way to nothing that is copied or unpacked", async () => {
  await run(guest, "mkfifo pipe && echo text > file && ln -s file link");
  const stream = () => piecesOf(tarOf({ path: "pipe", content: "x" }));
  for (const work of [
    () => guest.files.copy(at("file"), "pipe", generous()),
    () => guest.files.copy(at("link"), "pipe", generous()),
    () => guest.files.unpack(at("."), stream(), generous()),
  ]) {
    expect((await failureOf(work())).code).toBe("path_exists");
  }
  expect(await readdir(lohar.directory)).toHaveLength(3);
  expect((await stat(here("pipe"))).isFIFO()).toBe(true);
});

test("a file of a directory that cannot be read is left out with the reason", async () => {
  const packed = await bytesOf(await guest.files.pack(at("/sys/class/net/lo"), generous()));
  expect(packed.includes("BHATTI.left-out=unreadable speed\n")).toBe(true);
  expect(packed.includes("BHATTI.reason=Invalid argument\n")).toBe(true);
  expect(packed.includes("mtu\0")).toBe(true);
});

test("copy and move to a path that cannot be created name the destination and the action", async () => {
  const source = here("seq");
  await Bun.write(source, "1\n");
  await mkdir(here("tree"));
  const { files } = guest;
  const message = async (work: Promise<void>) => (await failureOf(work)).message;
  const reason = "No such file or directory";
  const file = at(source);
  expect(await message(files.copy(file, "/proc/x", generous()))).toBe(
    `Cannot copy to '/proc/x': ${reason}`,
  );
  expect(await message(files.move(file, "/proc/x", generous()))).toBe(
    `Cannot move to '/proc/x': ${reason}`,
  );
  const tree = { ...at(here("tree")), recursive: true };
  expect(await message(files.copy(tree, "/proc/x", generous()))).toBe(
    `Cannot copy to '/proc/x': ${reason}`,
  );
  const unreadable = "/sys/class/net/lo/speed";
  expect(await message(files.copy(at(unreadable), here("to"), generous()))).toBe(
    `Cannot copy '${unreadable}': Invalid argument`,
  );
});
