import { expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOwnedBy, makeOwnedFolder } from "./owned-folder.ts";

test("a folder belongs to the host that made it, and to none when its owner file is missing or damaged", async () => {
  const parent = await mkdtemp(join(tmpdir(), "bhatti-owned-"));
  try {
    const own = join(parent, "own");
    await mkdir(join(parent, ".new-own/left-over"), { recursive: true });
    await makeOwnedFolder(own, "host_a");
    expect(await readdir(parent)).toEqual(["own"]);
    expect(await readdir(own)).toEqual(["owner.json"]);
    expect(await isOwnedBy(own, "host_a")).toBeTrue();
    expect(await isOwnedBy(own, "host_b")).toBeFalse();
    const earlier = join(parent, "earlier");
    await mkdir(earlier);
    expect(await isOwnedBy(earlier, "host_a")).toBeFalse();
    await writeFile(join(earlier, "owner.json"), "{");
    expect(await isOwnedBy(earlier, "host_a")).toBeFalse();
  } finally {
    await rm(parent, { recursive: true });
  }
});
