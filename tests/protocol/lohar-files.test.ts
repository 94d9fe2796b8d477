import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { encodeData, encodeFrame, FrameType } from "../../src/agent/frame.ts";
import { failureOf } from "../support/failure.ts";
import { generous, RealLohar, until } from "../support/lohar.ts";
import { guest, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

function write(path: string, content: Uint8Array | string, mode = 0o644, signal = generous()) {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return guest.writeFile({ path: join(lohar.directory, path), mode, user: "root" }, bytes, signal);
}

test.each([0, 1, 32_767, 32_768, 5_000_000])(
  "a file of %d bytes is written as it is",
  async (size) => {
    const content = Buffer.alloc(size, "some words ");
    await write(`file-${size}`, content);
    const written = await Bun.file(join(lohar.directory, `file-${size}`)).bytes();
    expect(Buffer.from(written).equals(content)).toBe(true);
  },
);

test("a file gets its mode, and the directories it needs", async () => {
  await write("deep/er/script", "#!/bin/sh\n", 0o750);
  const { mode } = await stat(join(lohar.directory, "deep/er/script"));
  expect(mode & 0o7777).toBe(0o750);
});

test("a file that is given to somebody is written as any other", async () => {
  const path = join(lohar.directory, "given/away/file");
  const file = { path, mode: 0o750, user: "root", owner: "lohar" } as const;
  for (const text of ["new", "newer"]) {
    await guest.writeFile(file, Buffer.from(text), generous());
    expect(await Bun.file(path).text()).toBe(text);
    expect((await stat(path)).mode & 0o7777).toBe(0o750);
  }
});

test("a write over a script keeps its mode unless it gives one", async () => {
  const path = join(lohar.directory, "script");
  const keeping = (mode: number, keep?: "owner" | "all") => {
    const file = { path, mode, user: "lohar", ...(keep && { keep }) } as const;
    return guest.writeFile(file, Buffer.from("#!/bin/sh\n"), generous());
  };
  const mode = async () => (await stat(path)).mode & 0o7777;
  await keeping(0o755, "all");
  expect(await mode()).toBe(0o755);
  await keeping(0o644, "all");
  expect(await mode()).toBe(0o755);
  await keeping(0o640, "owner");
  expect(await mode()).toBe(0o640);
  await keeping(0o644);
  expect(await mode()).toBe(0o644);
});

test("an owner that nobody knows is refused", async () => {
  await using other = await RealLohar.start();
  const line = await other.connectRaw();
  await line.greet();
  const open = { kind: "write", path: "file", size: 0, mode: "0644", user: "root" };
  line.message(1, FrameType.open, { ...open, owner: "nobody-there" });
  expect(await line.nextMessage(FrameType.error)).toMatchObject({ stream: 1, code: "bad_request" });
  await line.cut();
});

test("a file is replaced in one piece, and nothing else is left beside it", async () => {
  await write("replaced/file", "old");
  const old = await stat(join(lohar.directory, "replaced/file"));
  await write("replaced/file", "new", 0o600);
  const now = await stat(join(lohar.directory, "replaced/file"));
  expect(now.ino).not.toBe(old.ino);
  expect(now.mode & 0o7777).toBe(0o600);
  expect(await readdir(join(lohar.directory, "replaced"))).toEqual(["file"]);
});

test("a directory cannot be replaced by a file", async () => {
  await mkdir(join(lohar.directory, "directory"));
  expect((await failureOf(write("directory", "text"))).code).toBe("is_directory");
});

test("a file cannot lie below another file", async () => {
  await write("plain", "text");
  expect((await failureOf(write("plain/below", "text"))).code).toBe("not_directory");
});

test("a relative path starts in the default directory", async () => {
  const file = { path: "relative", mode: 0o644, user: "root" as const };
  await guest.writeFile(file, Buffer.from("text"), generous());
  expect(await Bun.file(join(lohar.directory, "relative")).text()).toBe("text");
});

test.each(["", "zero\0byte"])("the path %j is refused", async (path) => {
  const writing = guest.writeFile({ path, mode: 0o644, user: "root" }, Buffer.of(1), generous());
  expect((await failureOf(writing)).code).toBe("bad_request");
});

test("a write that is given up leaves the old file and nothing beside it", async () => {
  await write("kept/file", "old");
  const controller = new AbortController();
  const writing = write("kept/file", new Uint8Array(50_000_000), 0o644, controller.signal);
  controller.abort();
  expect((await failureOf(writing)).code).toBe("cancelled");
  await guest.ping(generous());
  await until(async () => (await readdir(join(lohar.directory, "kept"))).length === 1);
  expect(await Bun.file(join(lohar.directory, "kept/file")).text()).toBe("old");
});

test.each([
  ["fewer", 99],
  ["more", 101],
])("a write of %s bytes than announced leaves the old file", async (_, sent) => {
  await using other = await RealLohar.start();
  const path = join(other.directory, "file");
  await Bun.write(path, "old");
  const line = await other.connectRaw();
  await line.greet();
  line.message(1, FrameType.open, { kind: "write", path, size: 100, mode: "0644", user: "root" });
  line.send(
    encodeData(1, 0, new Uint8Array(sent)),
    encodeFrame(1, FrameType.end, Uint8Array.of(0)),
  );
  expect(await line.nextMessage(FrameType.error)).toMatchObject({
    stream: 1,
    code: "size_mismatch",
  });
  expect(await Bun.file(path).text()).toBe("old");
  await until(async () => (await readdir(other.directory)).length === 2); // .keep and file
  await line.cut();
});
