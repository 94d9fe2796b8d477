/** Files that are not what their size says: those that shrink meanwhile, those that the kernel makes up, and those with holes. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { truncate } from "node:fs/promises";
import { failureOf } from "../support/failure.ts";
import { generous, run } from "../support/lohar.ts";
import { at, bytesOf, piecesOf } from "../support/lohar-files.ts";
import { guest, here, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);
useOneLohar();

async function text(command: string): Promise<string> {
  return (await run(guest, command)).stdout.toString();
}

const pack = (path: string) => guest.files.pack(at(path), generous());

/** Reads the stream into `come`, and cuts the file short when some of it has come. */
async function whileItShrinks(
  pieces: AsyncIterable<Uint8Array>,
  path: string,
  come: Uint8Array[] = [],
): Promise<Buffer> {
  for await (const piece of pieces) {
    if (come.length === 0) await truncate(here(path), 100);
    come.push(piece);
  }
  return Buffer.concat(come);
}

test("a file that shrinks while it is packed or read ends with what was there, and an error", async () => {
  const { files } = guest;
  for (const open of [() => pack("log"), () => files.read(at("log"), {}, generous())]) {
    await Bun.write(here("log"), Buffer.alloc(8_000_000, "x"));
    const come: Uint8Array[] = [];
    const failure = await failureOf(whileItShrinks(await open(), "log", come));
    expect(failure.code).toBe("file_changed");
    const [, to] = /shrank from 8000000 to (\d+) bytes$/.exec(failure.message) ?? [];
    const bytes = Buffer.concat(come);
    const content = bytes.subarray(bytes.indexOf("xxxx"));
    expect(content.length).toBe(Number(to));
    expect(content.equals(Buffer.alloc(Number(to), "x"))).toBe(true);
  }
});

test("a file that shrinks in a tree is noted behind it, the rest comes, and readers that ignore the note fail", async () => {
  await Bun.write(here("tree/log"), Buffer.alloc(8_000_000, "x"));
  await Bun.write(here("tree/other"), "all of it");
  await Bun.write(here("tree.tar"), await whileItShrinks(await pack("tree"), "tree/log"));
  const note = await text("grep -ao 'BHATTI.shrank=8000000 [0-9]* log' tree.tar");
  const to = note.split(" ")[1];
  expect(await text("tar -tf tree.tar 2> /dev/null; echo $?")).toBe("log\nother\n2\n");
  expect(await text("tar -xOf tree.tar other 2> /dev/null")).toBe("all of it");
  expect(await text("tar -xOf tree.tar log 2> /dev/null | tr -d '\\0' | wc -c")).toBe(`${to}\n`);
});

test.each(["/proc/version", "/proc/kallsyms", "/sys/devices/system/cpu/online"])(
  "%s is packed and read with the bytes that reading it yields, whatever its size is said to be",
  async (path) => {
    const expected = await Bun.file(path).bytes();
    expect(expected.length).toBeGreaterThan(0);
    const read = await bytesOf(await guest.files.read(at(path), {}, generous()));
    expect(read.equals(expected)).toBe(true);
    await Bun.write(here("one.tar"), await bytesOf(await guest.files.pack(at(path), generous())));
    const { stdout } = await run(guest, "tar -xOf one.tar");
    expect(stdout.equals(expected)).toBe(true);
  },
);

const makeSparse = `mkdir tree && truncate -s 500M tree/disk && truncate -s 1M tree/hole &&
  printf data | dd of=tree/disk bs=1 seek=100000000 conv=notrunc 2> /dev/null &&
  printf end | dd of=tree/disk bs=1 seek=524287000 conv=notrunc 2> /dev/null`;
const isSame = async (path: string) =>
  expect(await text(`cmp tree/disk ${path}/disk && cmp tree/hole ${path}/hole && echo same`)).toBe(
    "same\n",
  );
const usedKilobytes = async (path: string) => Number((await text(`du -sk ${path}`)).split("\t")[0]);

test("holes are kept from tree to tree, as GNU tar writes and reads them, and in a copy", async () => {
  await run(guest, makeSparse);
  const tar = await bytesOf(await guest.files.pack({ ...at("tree"), sparse: true }, generous()));
  expect(tar.length).toBeLessThan(100_000);
  await guest.files.unpack(at("ours"), piecesOf(tar), generous());
  await Bun.write(here("ours.tar"), tar);
  await run(
    guest,
    "mkdir gnus; tar -xf ours.tar -C gnus; tar --format=posix -Scf gnus.tar -C tree .",
  );
  const theirs = await Bun.file(here("gnus.tar")).bytes();
  await guest.files.unpack(at("theirs"), piecesOf(theirs), generous());
  await guest.files.copy({ ...at("tree"), recursive: true }, here("copy"), generous());
  for (const path of ["ours", "gnus", "theirs", "copy"]) {
    await isSame(path);
    expect(await usedKilobytes(path)).toBeLessThan(200);
  }
});

test("a tree is packed without gaps for readers that do not ask for sparse files", async () => {
  await run(guest, "mkdir tree; truncate -s 1M tree/hole");
  const tar = await bytesOf(await guest.files.pack(at("tree"), generous()));
  expect(tar.length).toBeGreaterThan(1024 * 1024);
});

test("a sparse file in a form other than pax 1.0 is refused", async () => {
  await run(guest, "mkdir tree; truncate -s 1M tree/hole");
  for (const form of ["--format=gnu", "--format=posix --sparse-version=0.1"]) {
    await run(guest, `tar ${form} -Scf old.tar -C tree .`);
    const bytes = await Bun.file(here("old.tar")).bytes();
    const unpacking = guest.files.unpack(at("into"), piecesOf(bytes), generous());
    expect(await failureOf(unpacking)).toMatchObject({
      code: "bad_request",
      message: expect.stringContaining("sparse file"),
    });
  }
});

test("a pushed file keeps all twelve mode bits, and nanoseconds", async () => {
  await run(
    guest,
    "mkdir -p tree/d; touch -d '2001-02-03 04:05:06.123456789' tree/f; chmod 6755 tree/f; chmod 3777 tree/d",
  );
  await run(guest, "tar --format=posix -cf bits.tar -C tree .");
  await guest.files.unpack(
    at("into"),
    piecesOf(await Bun.file(here("bits.tar")).bytes()),
    generous(),
  );
  const facts = await text("cd into && stat -c '%a %y' f && stat -c %a d");
  expect(facts).toStartWith("6755 2001-02-03 04:05:06.123456789");
  expect(facts).toEndWith("\n3777\n");
});
