/** Which layers are made one, and that the disk's content is the same before, between and afterwards. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { link, mkdtemp, readdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "../host/process.ts";
import { chainOf, damageOfDisk, type Layer, sizesOf } from "./chain.ts";
import { freezeTop, makeDisk, topOf } from "./layers.ts";
import { merge, mergeFrom, planMerge } from "./merge.ts";

const megabyte = 1024 * 1024;
const signal = AbortSignal.timeout(60_000);

let folder: string;
let disk: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bhatti-merge-"));
  disk = join(folder, "disk");
  const image = join(folder, "image.ext4");
  await writeFile(image, Buffer.alloc(megabyte, "image"));
  await truncate(image, 16 * megabyte);
  await makeDisk(disk, { digest: "sha256:abc", path: image }, 32 * megabyte, signal);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = async (command: string) =>
  await run(["qemu-io", "-c", command, await topOf(disk)], { signal });
const content = async () => {
  const raw = join(folder, "raw");
  await run(["qemu-img", "convert", "-O", "raw", await topOf(disk), raw], { signal });
  return new Bun.CryptoHasher("sha256").update(await Bun.file(raw).bytes()).digest("hex");
};
const ownNames = async () =>
  (await chainOf(disk)).filter(({ isOwn }) => isOwn).map(({ name }) => name);

/** Each overwrites some of what those below it have. */
async function addLayers(count: number): Promise<void> {
  for (let layer = 1; layer <= count; layer += 1) {
    await write(`write -P ${layer} ${layer * 300}k 900k`);
    await write(`write -z ${layer * 500}k 64k`);
    await write(`discard ${layer * 700}k 64k`);
    await freezeTop(disk, signal);
  }
}

async function planned() {
  const plan = planMerge(await chainOf(disk));
  if (!plan) throw new Error("nothing is to be merged");
  return plan;
}

test("the content is the same, of one layer, and what was left over is gone", async () => {
  await addLayers(6);
  const before = await content();
  const [bottom] = (await ownNames()).slice(-1);
  const plan = await planned();
  await writeFile(join(disk, "layer-0123456789abcdef.qcow2"), "");
  await merge(disk, plan, signal);
  expect(await content()).toBe(before);
  expect(await ownNames()).toEqual([bottom ?? ""]);
  expect((await readdir(disk)).sort()).toEqual(["image-sha256-abc.ext4", bottom ?? "", "top"]);
});

test("one that ends in the middle, at any time, leaves the content as it was, and can be done again", async () => {
  await addLayers(5);
  const before = await content();
  const { into, above } = await planned();
  const lower = join(disk, into.name);
  // As a commit that was cut short: some of it is in the lower layer already.
  const part = ["-c", "write -P 5 1500k 400k", "-c", "write -P 4 1200k 64k"];
  await run(["qemu-io", ...part, lower], { signal });
  expect(await content()).toBe(before);
  await run(["qemu-img", "commit", "-q", "-d", "-b", into.name, above[0]?.name ?? ""], {
    signal,
    cwd: disk,
  });
  expect(await content()).toBe(before);
  await merge(disk, await planned(), signal);
  expect(await content()).toBe(before);
});

test("what is shared stays as it is, with all below it", async () => {
  await addLayers(4);
  const shared = await topOf(disk);
  await link(shared, join(folder, "elsewhere"));
  await freezeTop(disk, signal);
  expect(planMerge(await chainOf(disk))).toBeUndefined();
  await addLayers(4);
  const before = await content();
  const { below, into } = await planned();
  expect(below[0]?.name).toBe(basename(shared));
  await merge(disk, await planned(), signal);
  expect(await content()).toBe(before);
  expect((await chainOf(disk)).slice(1)).toEqual(below);
  expect(basename(await topOf(disk))).toBe(into.name);
});

describe("the plan", () => {
  const own = (...occupied: number[]): Layer[] =>
    occupied.map((occupiedBytes, index) => ({
      name: `own${index}`,
      bytes: occupiedBytes,
      occupiedBytes,
      isOwn: true,
    }));
  const below = own(1).map((layer) => ({ ...layer, isOwn: false }));

  test.each<[number[], number, string | undefined]>([
    [Array(mergeFrom).fill(1), 100, undefined],
    [Array(mergeFrom + 1).fill(1), 100, `own${mergeFrom}`],
    [[10, 10, 90, 10, 10, 500], 100, "own2"], // the large one gets what lies above it
    [[10, 10, 10, 10, 10, 500], 100, "own5"], // how much the lowest has does not count
    [[200, 10, 10, 10, 10, 10], 100, undefined],
  ])("layers of %p, at most %d written again: into %p", (sizes, limit, into) => {
    expect(planMerge([...own(...sizes), ...below], limit)?.into.name).toBe(into as string);
  });
});

describe("a disk that is damaged", () => {
  test("is told by the file", async () => {
    await addLayers(2);
    const chain = await chainOf(disk);
    const sizes = sizesOf(chain);
    const [, layer, , image] = chain.map(({ name }) => name);
    expect(await damageOfDisk(disk, sizes)).toBeUndefined();
    await truncate(join(disk, layer ?? ""), 50);
    const bytes = sizes[layer ?? ""];
    expect(await damageOfDisk(disk, sizes)).toBe(
      `disk layer ${layer} has 50 bytes instead of ${bytes}`,
    );
    expect(await damageOfDisk(disk)).toBe(`disk layer ${layer} is not a valid qcow2 file`);
    await rename(join(disk, layer ?? ""), join(folder, "aside"));
    expect(await damageOfDisk(disk)).toBe(`disk layer ${layer} is missing`);
    expect(await damageOfDisk(disk, sizes)).toBe(`disk layer ${layer} is missing`);
    await rm(join(disk, image ?? ""));
    expect(await damageOfDisk(disk, { [image ?? ""]: 1 })).toBe(`image ${image} is missing`);
    await rm(join(disk, "top"));
    expect(await damageOfDisk(disk)).toBe('link "top" is missing');
  });
});
