/** Changes that lohar has acknowledged are on the disk: a copy of the disk, made right after the answer, has them. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Guest } from "../../src/agent/guest.ts";
import { run as runOnHost } from "../../src/host/process.ts";
import { generous, RealLohar, run } from "../support/lohar.ts";
import { at, piecesOf, tarOf } from "../support/lohar-files.ts";
import { unmount } from "../support/unmount.ts";

setDefaultTimeout(120_000);

let lohar: RealLohar;
let guest: Guest;
let root: string;

/** An ext4 file system in a file, which writes its journal out only when it is asked to. */
async function mountDisk(name: string, place: string): Promise<void> {
  const disk = join(root, name);
  await runOnHost(["truncate", "--size", "32M", disk]);
  await runOnHost(["mke2fs", "-q", "-t", "ext4", disk]);
  await runOnHost(["mount", "-o", "loop,commit=300", disk, place]);
}

/** Runs the script on the disk as after a power loss and a boot. */
async function afterPowerLoss(name: string, script: string): Promise<string> {
  const copy = join(root, "copy");
  await runOnHost(["cp", join(root, name), copy]);
  await runOnHost(["mount", "-o", "loop", copy, join(root, "after")]);
  const { stdout } = await run(guest, `cd ${join(root, "after")} && { ${script}; } 2>&1`);
  await unmount(join(root, "after"));
  return stdout.toString();
}

const here = (path: string) => join(root, "disk", path);

beforeAll(async () => {
  lohar = await RealLohar.start();
  guest = await lohar.connect();
  root = await mkdtemp(join(tmpdir(), "durable-"));
  await runOnHost(["mkdir", "-p", join(root, "disk"), join(root, "after")]);
  await mountDisk("image", join(root, "disk"));
});
afterAll(async () => {
  await lohar[Symbol.asyncDispose]();
  await unmount(join(root, "disk"));
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  await run(
    guest,
    `cd ${here("")} && rm -rf w && mkdir -p w/full/of w/to && echo old > w/file && echo in > w/full/of/files; sync -f .`,
  );
});

const signal = generous();
const write = (path: string) => {
  const file = { path: here(path), mode: 0o644, user: "lohar" } as const;
  return guest.writeFile(file, Buffer.from("new\n"), signal);
};

test.each<[string, () => Promise<unknown>, string, string]>([
  ["a write over a file", () => write("w/file"), "cat w/file", "new\n"],
  ["a write in new directories", () => write("w/a/b/c"), "cat w/a/b/c", "new\n"],
  ["a write of 3 MB", () => writeLarge("w/large"), "stat -c %s w/large", "3000000\n"],
  [
    "a directory",
    () => guest.files.makeDirectory(at(here("w/made")), signal),
    "ls -d w/made",
    "w/made\n",
  ],
  [
    "a directory in new directories",
    () => guest.files.makeDirectory({ ...at(here("w/a/b/c")), parents: true }, signal),
    "ls -d w/a/b/c",
    "w/a/b/c\n",
  ],
  [
    "a rename",
    () => guest.files.move(at(here("w/file")), here("w/renamed"), signal),
    "ls w",
    "full\nrenamed\nto\n",
  ],
  [
    "a move of a directory into another",
    () => guest.files.move(at(here("w/full")), here("w/to"), signal),
    "ls w w/to",
    "w:\nfile\nto\n\nw/to:\nfull\n",
  ],
  [
    "a copy of a file",
    () => guest.files.copy(at(here("w/file")), here("w/copy"), signal),
    "cat w/copy",
    "old\n",
  ],
  [
    "a copy of a directory",
    () => guest.files.copy({ ...at(here("w/full")), recursive: true }, here("w/copy"), signal),
    "cat w/copy/of/files",
    "in\n",
  ],
  ["a removal", () => guest.files.remove(at(here("w/file")), signal), "ls w", "full\nto\n"],
  [
    "a removal of a directory",
    () => guest.files.remove({ ...at(here("w/full")), recursive: true }, signal),
    "ls w",
    "file\nto\n",
  ],
  [
    "what a tar stream brings",
    () => unpack("w/new", tarOf({ path: "x/y", content: "text\n" })),
    "cat w/new/x/y",
    "text\n",
  ],
])("%s that was answered is on the disk", async (_, change, script, expected) => {
  await change();
  expect(await afterPowerLoss("image", script)).toBe(expected);
});

function writeLarge(path: string) {
  const file = { path: here(path), mode: 0o644, user: "lohar" } as const;
  return guest.writeFile(file, new Uint8Array(3_000_000).fill(97), signal);
}

function unpack(path: string, tar: Uint8Array) {
  return guest.files.unpack(at(here(path)), piecesOf(tar), signal);
}

test("what a tar stream brings into a disk that is mounted below is on that disk", async () => {
  await mountDisk("second", here("w/to"));
  try {
    await unpack("w", tarOf({ path: "to/file", content: "text\n" }));
    expect(await afterPowerLoss("second", "cat file")).toBe("text\n");
    const full = { ...at(here("w/full")), recursive: true };
    await guest.files.copy(full, here("w/to"), signal);
    expect(await afterPowerLoss("second", "cat full/of/files")).toBe("in\n");
  } finally {
    await unmount(here("w/to"));
  }
});
