/** Files that are not what their size says: those that shrink meanwhile, and those that the kernel makes up. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { truncate } from "node:fs/promises";
import { failureOf } from "../support/failure.ts";
import { generous, run } from "../support/lohar.ts";
import { at, bytesOf } from "../support/lohar-files.ts";
import { guest, here, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);
useOneLohar();

async function text(command: string): Promise<string> {
  return (await run(guest, command)).stdout.toString();
}

/** Packs or reads, and cuts the file short when some of it has come. */
async function whileItShrinks(pieces: AsyncIterable<Uint8Array>, path: string) {
  const come: Uint8Array[] = [];
  const read = async () => {
    for await (const piece of pieces) {
      if (come.length === 0) await truncate(here(path), 100);
      come.push(piece);
    }
  };
  return { failure: await failureOf(read()), bytes: () => Buffer.concat(come) };
}

test("a file that shrinks while it is packed or read ends with what was there, and an error", async () => {
  const { files } = guest;
  for (const [open, header] of [
    [() => files.pack(at("log"), generous()), 512],
    [() => files.read(at("log"), {}, generous()), 0],
  ] as const) {
    await Bun.write(here("log"), Buffer.alloc(8_000_000, "x"));
    const { failure, bytes } = await whileItShrinks(await open(), "log");
    expect(failure.code).toBe("file_changed");
    const [, to] = /shrank from 8000000 to (\d+) bytes$/.exec(failure.message) ?? [];
    const content = bytes().subarray(header);
    expect(content.length).toBe(Number(to));
    expect(content.equals(Buffer.alloc(Number(to), "x"))).toBe(true);
  }
});

test("a file that shrinks in a tree is noted behind it, the rest comes, and the stream fails at its end", async () => {
  await Bun.write(here("tree/log"), Buffer.alloc(8_000_000, "x"));
  await Bun.write(here("tree/other"), "all of it");
  const stream = await guest.files.pack(at("tree"), generous());
  const { failure, bytes } = await whileItShrinks(stream, "tree/log");
  expect(failure.code).toBe("file_changed");
  expect(failure.message).toContain("/tree/log': file changed as we read it: shrank from 8000000");
  const to = Number(/to (\d+) bytes$/.exec(failure.message)?.[1]);
  await Bun.write(here("tree.tar"), bytes());
  expect(bytes().toString("latin1")).toContain(`BHATTI.shrank=8000000 ${to} log\n`);
  expect(await text("tar -tf tree.tar; tar -xOf tree.tar other")).toBe("log\nother\nall of it");
  expect(await text("tar -xOf tree.tar log | tr -d '\\0' | wc -c")).toBe(`${to}\n`);
});

test.each(["/proc/version", "/proc/kallsyms", "/sys/kernel/uevent_seqnum"])(
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
