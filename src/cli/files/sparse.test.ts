import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { extractBytes, extractInto } from "./extract.ts";
import { packDirectory } from "./pack.ts";
import { readMap } from "./sparse.ts";

let folder: string;
let from: string;
let into: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bhatti-sparse-"));
  [from, into] = [join(folder, "from"), join(folder, "into")];
  mkdirSync(from);
  mkdirSync(into);
});
afterEach(() => rmSync(folder, { recursive: true }));

const progress = () => ({ files: 0, bytes: 0, skipped: 0, unreadable: [] });

/** Data at these places, in units of a block, and the size in bytes. */
function makeSparse(path: string, parts: readonly (readonly [number, number])[], size: number) {
  const descriptor = openSync(path, "w");
  for (const [at, blocks] of parts) {
    writeSync(descriptor, Buffer.alloc(blocks * 4096, `${at} `), 0, blocks * 4096, at * 4096);
  }
  ftruncateSync(descriptor, size);
  closeSync(descriptor);
}

const packed = (sparse: boolean) => Buffer.concat([...packDirectory(from, progress(), { sparse })]);

async function* pieces(bytes: Uint8Array, size = 10_007) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const used = (path: string) => statSync(path).blocks * 512;

test("a sparse file is packed and extracted with its holes", async () => {
  const size = 500_000_007;
  makeSparse(
    join(from, "disk"),
    [
      [100, 3],
      [90_000, 1],
    ],
    size,
  );
  const tar = packed(true);
  expect(tar.length).toBeLessThan(100_000);
  const shown = { files: 0, bytes: 0 };
  await extractInto(into, pieces(tar), shown);
  expect(shown).toEqual({ files: 1, bytes: size });
  const path = join(into, "disk");
  expect(statSync(path).size).toBe(size);
  expect(used(path)).toBeLessThan(100_000);
  const { exitCode } = Bun.spawnSync(["cmp", path, join(from, "disk")]);
  expect(exitCode).toBe(0);
});

test("GNU tar understands a packed sparse file, and its own is understood", async () => {
  makeSparse(
    join(from, "disk"),
    [
      [100, 3],
      [9000, 1],
    ],
    50_000_000,
  );
  makeSparse(join(from, "hole"), [], 1_000_000);
  writeFileSync(join(folder, "ours.tar"), packed(true));
  mkdirSync(join(folder, "theirs"));
  Bun.spawnSync(["tar", "-xf", join(folder, "ours.tar"), "-C", join(folder, "theirs")]);
  const create = [
    "tar",
    "--format=posix",
    "-S",
    "-C",
    from,
    "-cf",
    join(folder, "theirs.tar"),
    ".",
  ];
  Bun.spawnSync(create);
  await extractInto(into, pieces(readFileSync(join(folder, "theirs.tar"))), progress());
  for (const target of ["theirs", "into"]) {
    expect(readdirSync(join(folder, target)).toSorted()).toEqual(["disk", "hole"]);
    for (const name of ["disk", "hole"]) {
      const path = join(folder, target, name);
      expect(Bun.spawnSync(["cmp", path, join(from, name)]).exitCode).toBe(0);
      expect(used(path)).toBeLessThan(100_000);
      const [ours, theirs] = [join(from, name), path].map((one) => statSync(one, { bigint: true }));
      expect(theirs?.mtimeNs).toBe(ours?.mtimeNs ?? 0n);
    }
  }
});

test("a sparse stream is restored exactly, as a file and as bytes", async () => {
  const part = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 3 }));
  const size = fc.integer({ min: 65_536, max: 300_000 });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), size, async (parts, bytes) => {
      makeSparse(join(from, "file"), parts, bytes);
      const expected = readFileSync(join(from, "file"));
      const tar = packed(true);
      await extractInto(into, pieces(tar, 777), progress());
      expect(readFileSync(join(into, "file")).equals(expected)).toBe(true);
      const come: Uint8Array[] = [];
      const take = async (piece: Uint8Array) => void come.push(Uint8Array.from(piece));
      await extractBytes(take, pieces(tar, 1234), progress());
      expect(Buffer.concat(come).equals(expected)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test("without holes wanted, a stream has all of it", () => {
  makeSparse(join(from, "disk"), [[1, 1]], 1_000_000);
  expect(packed(false).length).toBeGreaterThan(1_000_000);
});

test("a random sparse map is read or refused", async () => {
  const text = fc.oneof(
    fc
      .array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(-1, 1e15, 70_000)))
      .map((numbers) => numbers.map((number) => `${number}\n`).join("")),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(text, fc.nat(2000), async (map, content) => {
      const block = Buffer.alloc(512);
      block.write(map.slice(0, 512));
      const extents = await readMap(async () => block, { size: 100, content }).catch((error) => {
        expect(error.code).toBe("bad_request");
        return [];
      });
      expect(extents.every(({ offset, length }) => offset + length <= 100)).toBe(true);
    }),
  );
});
