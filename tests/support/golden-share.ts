/**
 * Golden snapshots that one test's daemon has made, for the daemons of the next tests: each takes a core ten seconds.
 * They never change after they are complete, so that links to them are as good as copies.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../../src/host/process.ts";

/** Each takes about 100 MB of disk. */
const keepAtMost = 10;
/** Part of what a golden snapshot depends on, and measured anew by each daemon that does not know it. */
const clockRate = "cache/clock-rate";
const hardLink = ["cp", "-al"];
const sparseCopy = ["cp", "-a", "--sparse=always"];

/** Those of other parts than the daemon has it removes itself. */
export async function borrowGoldens(share: string, dataDir: string): Promise<void> {
  await take(share, dataDir, hardLink, () => true);
}

/** Takes copies of those of the image tiny with these memory sizes, which the daemon's test may damage. */
export async function copyGoldens(
  share: string,
  dataDir: string,
  sizesMB: readonly number[],
): Promise<void> {
  await take(share, dataDir, sparseCopy, ({ image, memoryMB }) => {
    return (image?.name ?? "tiny") === "tiny" && sizesMB.includes(memoryMB);
  });
}

/** Of `golden.json`. */
interface Manifest {
  memoryMB: number;
  /** When the root of an image is mounted. */
  image?: { name: string };
}

async function take(
  share: string,
  dataDir: string,
  copy: readonly string[],
  wants: (manifest: Manifest) => boolean,
): Promise<void> {
  if (!existsSync(join(share, clockRate))) return;
  for (const name of ["cache", "golden"])
    await mkdir(join(dataDir, name), { recursive: true, mode: 0o700 });
  await place(copy, join(share, clockRate), join(dataDir, clockRate));
  for (const name of await readdir(join(share, "golden"))) {
    const from = join(share, "golden", name);
    // Another test may just have removed it.
    const manifest = await Bun.file(join(from, "golden.json"))
      .json()
      .catch(() => undefined);
    if (manifest && wants(manifest)) await place(copy, from, join(dataDir, "golden", name));
  }
}

/** Called when the daemon has ended. */
export async function lendGoldens(dataDir: string, share: string): Promise<void> {
  const from = join(dataDir, "golden");
  const complete = (await readdir(from).catch(() => [])).filter((name) =>
    existsSync(join(from, name, "golden.json")),
  );
  if (complete.length === 0) return;
  for (const name of ["cache", "golden"]) await mkdir(join(share, name), { recursive: true });
  if (!existsSync(join(share, clockRate)))
    await place(hardLink, join(dataDir, clockRate), join(share, clockRate));
  const known = new Set((await readdir(join(share, "golden"))).map(keyOf));
  for (const name of complete) {
    if (!known.has(keyOf(name)))
      await place(hardLink, join(from, name), join(share, "golden", name));
  }
  await removeOldest(join(share, "golden"));
}

/** A folder's name is its key and a number. */
const keyOf = (name: string) => name.split("-")[0];

async function removeOldest(folder: string): Promise<void> {
  const all = await Promise.all(
    (await readdir(folder)).map(async (name) => ({
      name,
      at: (await stat(join(folder, name, "golden.json"))).mtimeMs,
    })),
  );
  const oldest = all.sort((a, b) => b.at - a.at).slice(keepAtMost);
  for (const { name } of oldest) await rm(join(folder, name), { recursive: true, force: true });
}

/** Leaves nothing where that fails, as links to another file system do: its daemon makes its own. */
async function place(copy: readonly string[], from: string, to: string): Promise<void> {
  const part = join(dirname(dirname(to)), `.part-${process.pid}`);
  try {
    await run([...copy, from, part]);
    await rename(part, to);
  } catch {
    await rm(part, { recursive: true, force: true });
  }
}
