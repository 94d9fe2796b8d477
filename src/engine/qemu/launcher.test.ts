import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastWords } from "./launcher.ts";

const hub = "qemu-system-x86_64: warning: hub 0 is not connected to host network";
const missing = "qemu-system-x86_64: -blockdev root: Could not open 'layer-1.qcow2'";
const repair =
  "ERROR cluster 11 refcount=0 reference=1\nRebuilding refcount structure\nLeaked cluster 3 refcount=1 reference=0\n" +
  "Repairing cluster 1 refcount=1 reference=2\nRepairing OFLAG_COPIED data cluster: l2_entry=8 refcount=1\n";

test.each([
  [`${hub}\n`, "no output"],
  ["", "no output"],
  [`${missing}\n${hub}\n`, missing],
  ["1\n2\n3\n4\n5\n6\n", "2; 3; 4; 5; 6"],
  [`${repair}${missing}\n`, missing],
  [repair, "no output"],
])("of %j the last words are %j", async (text, words) => {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-words-"));
  try {
    await writeFile(join(folder, "log"), text);
    expect(await lastWords(join(folder, "log"))).toBe(words);
    expect(await lastWords(join(folder, "none"))).toBe("no output");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
