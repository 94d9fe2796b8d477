import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PackProgress, packDirectory, packFile } from "./pack.ts";
import { readTar } from "./tar-reader.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bhatti-pack-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const progress = (): PackProgress => ({ files: 0, bytes: 0, skipped: 0, unreadable: [] });

async function* packed(path: string) {
  yield* packFile(path, "name", progress(), { sparse: true });
}

async function contentOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const content: Buffer[] = [];
  for await (const item of readTar(pieces)) {
    for await (const piece of item.content) content.push(Buffer.from(piece));
  }
  return Buffer.concat(content);
}

test.each([
  ["/proc/version", 0],
  ["/proc/kallsyms", 0],
  ["/sys/devices/system/cpu/online", 4096],
])(
  "%s, whose size is said to be %d, is packed with the bytes that reading it yields",
  async (path, size) => {
    expect(Bun.file(path).size).toBe(size);
    const content = await contentOf(packed(path));
    expect(content.equals(readFileSync(path))).toBe(true);
    expect(content.length).toBeGreaterThan(0);
  },
);

test("a file of a directory that cannot be read is noted with the reason, and the others are packed", () => {
  const found = progress();
  const packed = Buffer.concat([...packDirectory("/sys/class/net/lo", found, { sparse: true })]);
  expect(found.unreadable).toContainEqual({ name: "speed", reason: "Invalid argument" });
  expect(packed.includes("speed\0")).toBe(false);
  expect(packed.includes("mtu\0")).toBe(true);
});

test("EIO is spelled as in strerror", () => {
  // Address 0 of a process is not mapped.
  expect(() => [...packFile("/proc/self/mem", "name", progress(), { sparse: true })]).toThrow(
    'cannot read "/proc/self/mem": I/O error',
  );
});

test("a file that shrinks while it is packed is an error that has its sizes", async () => {
  const path = join(folder, "log");
  writeFileSync(path, Buffer.alloc(1_000_000, "x"));
  const pieces = packDirectory(folder, progress(), { sparse: true });
  expect(pieces.next().value).toBeInstanceOf(Uint8Array);
  truncateSync(path, 100);
  const sizes = /shrank from 1000000 to \d{6} bytes/;
  expect(() => [...pieces]).toThrow(sizes);
});
