import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { extractFile, extractInto } from "./extract.ts";
import {
  headerOf,
  incompleteBlock,
  leftOutKey,
  noteOf,
  padding,
  reasonKey,
  shrankKey,
  type TarType,
  tarEnd,
} from "./tar-header.ts";

let folder: string;
let into: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bhatti-extract-"));
  into = join(folder, "into");
  mkdirSync(join(folder, "outside"));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Entry = [name: string, type: TarType, content?: string, mode?: number];

/** The content of links is where they lead. */
function tarOf(entries: Entry[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(([name, type, content = "", mode = 0o644]) => {
      const isFile = type === "file";
      const target = Buffer.from(isFile ? "" : content);
      const size = isFile ? content.length : 0;
      const header = headerOf({
        name: Buffer.from(name),
        type,
        size,
        mode,
        mtime: 1_234_567_891n,
        target,
      });
      return isFile ? [header, Buffer.from(content), padding(size)] : [header];
    }),
    tarEnd,
  ]);
}

/** In pieces of a size that fits nothing. */
async function* inPieces(bytes: Buffer, size = 77) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const extract = (bytes: Buffer) => extractInto(into, inPieces(bytes), { files: 0, bytes: 0 });
test.each(["../victim", "..", ".", "a/../../victim", "\u00002e\u00002e\u00002fvictim", ""])(
  "a file is not written under the name %j",
  async (name) => {
    const tar = inPieces(tarOf([["x", "file", "x"]]));
    const extracting = extractFile({ directory: into, name }, tar, { files: 0, bytes: 0 });
    await expect(extracting).rejects.toMatchObject({ code: "unsafe_path" });
    expect(readdirSync(folder).toSorted()).toEqual(["into", "outside"]);
    expect(readdirSync(into)).toEqual([]);
  },
);

const codeOf = (bytes: Buffer) =>
  extract(bytes).then(
    () => "done",
    (error: { code?: string }) => error.code,
  );

test("files, directories and links", async () => {
  const long = `${"d".repeat(90)}/${"n".repeat(200)}`;
  const result = await extract(
    tarOf([
      ["closed", "directory", "", 0o500],
      ["closed/file", "file", "text", 0o4755],
      ["other", "link", "closed/file"],
      ["away", "symlink", "/etc/passwd"],
      [long, "file", "long"],
    ]),
  );
  expect(result).toEqual({ entries: 5, skipped: 0, unreadable: [], shrunk: [], unprivileged: 1 });
  expect(lstatSync(join(into, "closed")).mode & 0o7777).toBe(0o500);
  expect(lstatSync(join(into, "closed/file"), { bigint: true })).toMatchObject({
    mtimeNs: 1_234_567_891n,
    nlink: 2n,
  });
  expect(lstatSync(join(into, "other")).mode & 0o7777).toBe(0o755); // no set-user-id
  expect(lstatSync(join(into, "away")).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(into, long), "utf8")).toBe("long");
});

test("set-user-ID and set-group-ID bits are kept when they are asked for, the sticky bit always", async () => {
  const stream = tarOf([
    ["tmp", "directory", "", 0o1777],
    ["program", "file", "text", 0o6755],
  ]);
  const bits = () => ["tmp", "program"].map((name) => lstatSync(join(into, name)).mode & 0o7777);
  expect(await extract(stream)).toMatchObject({ unprivileged: 1 });
  expect(bits()).toEqual([0o1777, 0o755]);
  const options = { keepsSetId: true };
  const extracted = await extractInto(into, inPieces(stream), { files: 0, bytes: 0 }, options);
  expect(extracted.unprivileged).toBe(0);
  expect(bits()).toEqual([0o1777, 0o6755]);
});

test("a name may be as long as the file system's names are", async () => {
  const name = "n".repeat(255);
  expect(await codeOf(tarOf([[name, "file", "text"]]))).toBe("done");
  expect(readdirSync(into)).toEqual([name]);
});

test("what the sender passed over is told", async () => {
  const notes = ["unreadable a/my secret", "special pipe", "special socket", "later something"];
  const stream = [
    ...notes.map((note) => noteOf({ [leftOutKey]: note })),
    noteOf({ [leftOutKey]: "unreadable b", [reasonKey]: "Input/output error" }),
    tarOf([["file", "file", "x"]]),
  ];
  expect(await extract(Buffer.concat(stream))).toEqual({
    entries: 1,
    skipped: 2,
    unreadable: [{ name: "a/my secret" }, { name: "b", reason: "Input/output error" }],
    shrunk: [],
    unprivileged: 0,
  });
});

test("a file that shrank while it was packed has what was there, and is named", async () => {
  const files: Entry[] = [
    ["log", "file", `there${"\0".repeat(995)}`],
    ["other", "file", "all of it"],
  ];
  const note = noteOf({ [shrankKey]: "1000 5 log" });
  const members = (some: Entry[]) => tarOf(some).subarray(0, -tarEnd.length);
  const both = [members(files.slice(0, 1)), note, members(files.slice(1))];
  async function* cutOff() {
    yield* inPieces(Buffer.concat([...both, tarEnd]));
    throw new BhattiError("connection_lost", "cut off");
  }
  for (const stream of [cutOff(), inPieces(Buffer.concat([...both, incompleteBlock, tarEnd]))]) {
    const progress = { files: 0, bytes: 0 };
    const { entries, shrunk } = await extractInto(into, stream, progress);
    expect({ entries, shrunk, progress }).toEqual({
      entries: 2,
      shrunk: [{ name: Buffer.from("log"), from: 1000, to: 5 }],
      progress: { files: 2, bytes: 14 },
    });
  }
  expect(readFileSync(join(into, "log"), "utf8")).toBe("there");
  expect(readFileSync(join(into, "other"), "utf8")).toBe("all of it");
  expect(lstatSync(join(into, "log"), { bigint: true }).mtimeNs).toBe(1_234_567_891n);
});

test("a file that shrank has only what was there, also when its stream is cut off before its end", async () => {
  const log = tarOf([["log", "file", `there${"\0".repeat(995)}`]]).subarray(0, -tarEnd.length);
  const note = noteOf({ [shrankKey]: "1000 5 log" });
  expect(await codeOf(Buffer.concat([log, note, log.subarray(0, 600)]))).toBe("bad_request");
  expect(readFileSync(join(into, "log"), "utf8")).toBe("there");
});

test("times before 1970 and after 2242 are kept", async () => {
  for (const mtime of [-315_619_200, 10_413_792_000]) {
    const target = Buffer.alloc(0);
    const header = headerOf({
      name: Buffer.from("f"),
      type: "file",
      size: 0,
      mode: 0o644,
      mtime: BigInt(mtime) * 1_000_000_000n,
      target,
    });
    await extract(Buffer.concat([header, tarEnd]));
    expect(lstatSync(join(into, "f")).mtimeMs).toBe(mtime * 1000);
  }
});

test("a file takes the place of a file and of a link, and leaves what that leads to", async () => {
  mkdirSync(into);
  writeFileSync(join(folder, "outside/target"), "mine");
  symlinkSync("../outside/target", join(into, "a"));
  expect(await codeOf(tarOf([["a", "file", "theirs"]]))).toBe("done");
  expect(readFileSync(join(into, "a"), "utf8")).toBe("theirs");
  expect(readFileSync(join(folder, "outside/target"), "utf8")).toBe("mine");
});

test.each<[string, Entry[], string]>([
  ["a way up", [["../outside/x", "file", "x"]], "unsafe_path"],
  ["a way up in the middle", [["a/../../outside/x", "file", "x"]], "unsafe_path"],
  ["an absolute name", [["/tmp/bhatti-x", "file", "x"]], "unsafe_path"],
  ["no name", [[".", "file", "x"]], "unsafe_path"],
  [
    "a link that came before",
    [
      ["a", "symlink", "../outside"],
      ["a/x", "file", "x"],
    ],
    "unsafe_path",
  ],
  [
    "a directory over a link",
    [
      ["a", "symlink", "../outside"],
      ["a", "directory"],
    ],
    "unsafe_path",
  ],
  ["a hard link to an absolute name", [["a", "link", "/etc/passwd"]], "unsafe_path"],
  ["a hard link to the outside", [["a", "link", "../mine"]], "unsafe_path"],
  ["a hard link to the outside on a detour", [["a", "link", "b/../../mine"]], "unsafe_path"],
  ["a hard link to nothing", [["a", "link", ""]], "unsafe_path"],
  [
    "a hard link through a link",
    [
      ["a", "symlink", "/etc"],
      ["b", "link", "a/passwd"],
    ],
    "unsafe_path",
  ],
  [
    "a link over a directory",
    [
      ["a", "directory"],
      ["a", "symlink", "../outside"],
    ],
    "path_exists",
  ],
  [
    "a directory over a file",
    [
      ["a", "file", "x"],
      ["a/b", "file", "x"],
    ],
    "path_exists",
  ],
])("%s is refused", async (_what, entries, code) => {
  writeFileSync(join(folder, "mine"), "mine");
  expect(await codeOf(tarOf(entries))).toBe(code);
  expect(readdirSync(join(folder, "outside"))).toEqual([]);
  expect(lstatSync(join(folder, "mine")).nlink).toBe(1);
});

test("a stream that is cut off anywhere is an error, and leaves no half file", async () => {
  const whole = tarOf([["file", "file", "x".repeat(1000)]]);
  for (let length = 0; length < whole.length - 1024; length += 100) {
    expect(await codeOf(whole.subarray(0, length))).toBe("bad_request");
    for (const name of readdirSync(into)) expect(name).toBe("file");
  }
});

test("a stream of anything else is an error", async () => {
  expect(await codeOf(Buffer.alloc(2048, "x"))).toBe("bad_request");
});
