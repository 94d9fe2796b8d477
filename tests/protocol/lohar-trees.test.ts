import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, lstat, mkdir, readdir, readlink, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { failureOf } from "../support/failure.ts";
import { generous, run, until } from "../support/lohar.ts";
import { at, bytesOf, piecesOf, tarOf } from "../support/lohar-files.ts";
import { guest, here, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

async function text(command: string): Promise<string> {
  return (await run(guest, command)).stdout.toString();
}

function unpack(path: string, ...pieces: Uint8Array[]) {
  return guest.files.unpack(at(path), piecesOf(...pieces), generous());
}

/** Everything that tar keeps, in the words of find. */
function described(path: string): Promise<string> {
  const directories = "-type d -printf '%P %y %m %T@\n'";
  return text(
    `cd ${path} && find . -mindepth 1 ${directories} -o -printf '%P %y %m %n %s %T@ %l\n' | sort`,
  );
}

const makeTree = `
  mkdir -p tree/a/empty tree/b && cd tree && umask 022
  long=$(printf 'l%.0s' $(seq 120)); mkdir -p a/$long/$long && echo deep > a/$long/$long/file
  echo text > a/file && chmod 750 a/file && : > b/nothing && chmod 711 b
  head -c 300000 /dev/urandom > b/large && head -c 512 /dev/zero > b/block
  ln -s ../a/file b/link && ln -s $long/$long/$long a/long-link && ln -s nowhere a/dangling
  touch -h -d '2001-02-03 04:05:06.789' a/link a/file b/large b/link
  touch -d '1999-01-01' a/empty b && mkfifo a/fifo`;

test("what is packed is what tar unpacks, and what tar packs is unpacked", async () => {
  const moreNames = "ln b/large a/second && ln a/$long/$long/file b/$long && ln b/nothing b/again";
  await run(guest, `${makeTree}; ${moreNames}; touch -d '1999-01-01' b`);
  const packed = await bytesOf(await guest.files.pack(at("tree"), generous()));
  await Bun.write(here("packed.tar"), packed);
  await run(guest, "rm tree/a/fifo; mkdir theirs; tar -xpf packed.tar -C theirs");
  await run(guest, "touch -d '1999-01-01' tree/b tree/a; touch -d '1999-01-01' theirs/a");
  expect(await described("theirs")).toBe(await described("tree"));
  for (const format of ["gnu", "pax"]) {
    await run(guest, `tar --format=${format} -cf ${format}.tar -C tree .`);
    await unpack(format, await Bun.file(here(`${format}.tar`)).bytes());
    // The older format has room for whole seconds.
    const kept = (text: string) => (format === "gnu" ? text.replaceAll(/\.\d+/g, "") : text);
    expect(kept(await described(format))).toBe(kept(await described("tree")));
  }
});

test("packing twice gives the same bytes, in order of the names", async () => {
  await run(guest, makeTree);
  const first = await bytesOf(await guest.files.pack(at("tree"), generous()));
  const second = await bytesOf(await guest.files.pack(at("tree"), generous()));
  expect(first.equals(second)).toBe(true);
});

test("one file is packed under its name", async () => {
  await Bun.write(here("dir/file"), "text");
  await Bun.write(
    here("one.tar"),
    await bytesOf(await guest.files.pack(at("dir/file"), generous())),
  );
  expect(await text("tar -tf one.tar; tar -xOf one.tar")).toBe("file\ntext");
  expect((await failureOf(guest.files.pack(at("none"), generous()))).code).toBe("path_not_found");
  await run(guest, "mkfifo fifo");
  expect((await failureOf(guest.files.pack(at("fifo"), generous()))).code).toBe("bad_request");
});

test("what is there gives way, in one step each", async () => {
  await Bun.write(here("into/file"), "old");
  await Bun.write(here("into/link"), "old");
  await chmod(here("into"), 0o700);
  const old = await stat(here("into/file"));
  const { entries, bytes, skipped } = await unpack(
    "into",
    tarOf(
      { path: "./", kind: "5", mode: 0o777 },
      { path: "file", content: "new", mode: 0o640 },
      { path: "link", kind: "2", target: "/nowhere/at/all" },
      { path: "hard", kind: "1", target: "file" },
      { path: "hard", kind: "1", target: "file" },
      { path: "pipe", kind: "6" },
    ),
  );
  expect({ entries, bytes, skipped }).toEqual({ entries: 4, bytes: 3, skipped: 1 });
  const now = await stat(here("into/file"));
  expect(now).toMatchObject({ nlink: 2, mode: 0o100640, mtimeMs: 1_600_000_000_000 });
  expect(now.ino).not.toBe(old.ino);
  expect(await readlink(here("into/link"))).toBe("/nowhere/at/all");
  expect((await readdir(here("into"))).toSorted()).toEqual(["file", "hard", "link"]);
  expect((await stat(here("into"))).mode & 0o777).toBe(0o700);
});

test.each([
  ["an absolute name", [{ path: "/tmp/bhatti-outside" }], "unsafe_path", "/tmp/bhatti-outside"],
  ["a name that leads out", [{ path: "a/../../outside" }], "unsafe_path", "a/../../outside"],
  [
    "a file behind a link in the stream",
    [
      { path: "door", kind: "2", target: "../outside" },
      { path: "door/file", content: "x" },
    ],
    "unsafe_path",
    "door/file",
  ],
  ["a directory in place of a link", [{ path: "there", kind: "5" }], "unsafe_path", "there"],
  ["a file behind a link that is there", [{ path: "there/file" }], "unsafe_path", "there/file"],
  [
    "a hard link to what is outside",
    [{ path: "h", kind: "1", target: "../x" }],
    "unsafe_path",
    "h",
  ],
  ["a hard link through a link", [{ path: "h", kind: "1", target: "there/x" }], "unsafe_path", "h"],
  ["a hard link to nothing", [{ path: "h", kind: "1", target: "none" }], "path_not_found", "h"],
  ["a file in place of a directory", [{ path: "full" }], "path_exists", "full"],
  ["a directory in place of a file", [{ path: "file", kind: "5" }], "path_exists", "file"],
  ["a file below a file", [{ path: "file/below" }], "path_exists", "file/below"],
  ["a sparse file", [{ path: "s", kind: "S" }], "bad_request", "sparse"],
])("%s is refused", async (_, entries, code, words) => {
  await mkdir(here("outside"));
  await Bun.write(here("outside/x"), "");
  await Bun.write(here("into/full/file"), "");
  await Bun.write(here("into/file"), "old");
  await symlink("../outside", here("into/there"));
  expect(await failureOf(unpack("into", tarOf(...entries)))).toMatchObject({
    code,
    message: expect.stringContaining(words),
  });
  expect(await readdir(here("outside"))).toEqual(["x"]);
  expect(await Bun.file(here("into/file")).text()).toBe("old");
});

test.each([
  ["nothing", Buffer.alloc(0), "ends before"],
  ["noise", Buffer.alloc(2000, "noise"), "Not a tar stream"],
  [
    "half a stream",
    tarOf({ path: "a", content: "x".repeat(2000) }).subarray(0, 1200),
    "ends before",
  ],
  ["a stream without its end", tarOf({ path: "a", content: "x" }).subarray(0, 1024), "ends before"],
])("%s is not unpacked", async (_, bytes, words) => {
  const failure = await failureOf(unpack("into", bytes));
  expect(failure).toMatchObject({ code: "bad_request", message: expect.stringContaining(words) });
  expect((await readdir(here("into"))).filter((name) => name !== "a")).toEqual([]);
});

test("an unpack that is given up leaves what was complete, and nothing half done", async () => {
  await Bun.write(here("into/b"), "old");
  const controller = new AbortController();
  const half = tarOf(
    { path: "a", content: "whole" },
    { path: "b", content: Buffer.alloc(200_000) },
  );
  async function* stalls() {
    yield half.subarray(0, 100_000);
    await until(async () => (await readdir(here("into"))).length === 2);
    controller.abort();
    yield half.subarray(100_000);
  }
  const unpacking = guest.files.unpack(at("into"), stalls(), controller.signal);
  expect((await failureOf(unpacking)).code).toBe("cancelled");
  await until(async () => (await readdir(here("into"))).length === 2);
  expect(await Bun.file(here("into/a")).text()).toBe("whole");
  expect(await Bun.file(here("into/b")).text()).toBe("old");
});

test("however a directory and a link change places, nothing lands outside", async () => {
  await mkdir(here("outside"));
  await mkdir(here("into/door"), { recursive: true });
  await symlink(here("outside"), here("into/aside"));
  const flip = await guest.exec(
    {
      argv: [
        "bash",
        "-c",
        "cd into; while :; do mv -T door d; mv -T aside door; mv -T door aside; mv -T d door; done",
      ],
      stdin: false,
      timeoutMs: 60_000,
    },
    generous(),
  );
  let done = 0;
  for (let round = 0; round < 60; round++) {
    const entries = Array.from({ length: 20 }, (_, i) => [
      { path: `door/${round}-${i}`, content: "x" },
      { path: `other-${i}`, content: "x" },
    ]).flat();
    await unpack("into", tarOf(...entries)).then(
      () => done++,
      (error: Error) => expect(error.message).toMatch(/through a link|No such file|no directory/),
    );
  }
  flip.signal("KILL");
  flip.release();
  expect(await readdir(here("outside"))).toEqual([]);
  expect(done).toBeGreaterThan(0);
});

test("10,000 small files are pushed and pulled", async () => {
  await run(
    guest,
    "mkdir tree; cd tree; mkdir $(seq 100); for d in *; do (cd $d; touch $(seq 100)); done",
  );
  const packed = await bytesOf(await guest.files.pack(at("tree"), generous()));
  const { entries } = await unpack("again", packed);
  expect(entries).toBe(10_100);
  expect(await text("diff -r tree again && find again -type f | wc -l")).toBe("10000\n");
});

test("a large file is read, written, packed and unpacked in bounded memory", async () => {
  await run(guest, "head -c 150000000 /dev/urandom > large");
  const source = await guest.files.read(at("large"), {}, generous());
  const content = {
    size: 150_000_000,
    [Symbol.asyncIterator]: () => source[Symbol.asyncIterator](),
  };
  await guest.writeFile(
    { path: here("copy/large"), mode: 0o644, user: "lohar" },
    content,
    generous(),
  );
  const packed = await guest.files.pack(at("copy"), generous());
  await guest.files.unpack(at("again"), packed, generous());
  expect(await text("cmp large again/large && echo same")).toBe("same\n");
  const status = await Bun.file(`/proc/${lohar.pid}/status`).text();
  expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1])).toBeLessThan(24_000);
});

test("a copy keeps modes, times and links", async () => {
  await run(guest, `${makeTree}; rm a/fifo`);
  await guest.files.copy({ ...at("tree"), recursive: true }, "copied", generous());
  expect(await described("copied")).toBe(await described("tree"));
  await mkdir(here("into"));
  await guest.files.copy({ ...at("tree"), recursive: true }, "into", generous());
  await guest.files.copy({ ...at("tree"), recursive: true }, "into", generous());
  expect(await described("into/tree")).toBe(await described("tree"));
  await guest.files.copy(at("tree/a/file"), "into/tree/b/nothing", generous());
  expect(await Bun.file(here("into/tree/b/nothing")).text()).toBe("text\n");
  await guest.files.copy(at("tree/b/link"), "into", generous());
  expect((await lstat(here("into/link"))).isSymbolicLink()).toBe(true);
});

test("what cannot be copied is refused", async () => {
  await Bun.write(here("tree/a/file"), "");
  await Bun.write(here("file"), "");
  const copy = (from: string, to: string, recursive = true) =>
    failureOf(guest.files.copy({ ...at(from), recursive }, to, generous()));
  expect((await copy("tree", "new", false)).code).toBe("is_directory");
  expect((await copy("tree", "tree")).code).toBe("bad_request");
  expect((await copy("tree", "tree/a/new")).code).toBe("bad_request");
  expect((await copy("tree/a/file", "tree/a")).code).toBe("bad_request");
  expect((await copy("none", "new")).code).toBe("path_not_found");
  expect((await copy("tree", "no/where")).code).toBe("path_not_found");
  expect((await copy("tree", "file")).code).toBe("path_exists");
  expect((await copy("/dev/null", "new")).code).toBe("bad_request");
  expect((await copy("/", "new")).code).toBe("bad_request");
});

test("a copy that is given up cleans up after itself", async () => {
  await run(guest, "mkdir from; fallocate -l 3G from/huge");
  const controller = new AbortController();
  const copying = guest.files.copy({ ...at("from"), recursive: true }, "to", controller.signal);
  await until(async () => (await readdir(lohar.directory)).includes("to"));
  controller.abort();
  expect((await failureOf(copying)).code).toBe("cancelled");
  await until(async () => (await readdir(here("to"))).length === 0);
});

test("from one file system to another it is a copy and a removal", async () => {
  const elsewhere = `/dev/shm/bhatti-test-${process.pid}`;
  await mkdir(elsewhere);
  try {
    await run(guest, `${makeTree}; rm a/fifo`);
    const before = await described("tree");
    await guest.files.move(at("tree"), join(elsewhere, "tree"), generous());
    expect(await described(join(elsewhere, "tree"))).toBe(before);
    expect(await readdir(lohar.directory)).toEqual([]);
    await guest.files.move(at(join(elsewhere, "tree")), lohar.directory, generous());
    expect(await described("tree")).toBe(before);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});
