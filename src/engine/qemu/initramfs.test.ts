import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildInitramfs } from "./initramfs.ts";

/** Reads an archive in the "newc" format of cpio(5). */
function entriesOf(archive: Uint8Array) {
  const bytes = Buffer.from(archive);
  const entries = new Map<string, { mode: number; content: string }>();
  for (let at = 0; at < bytes.length; ) {
    expect(bytes.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number) =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [size, nameSize] = [field(6), field(11)];
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    const start = (at + 110 + nameSize + 3) & ~3;
    entries.set(name, { mode: field(1), content: bytes.toString("utf8", start, start + size) });
    at = (start + size + 3) & ~3;
  }
  return entries;
}

test("the agent is /init, the modules lie beside it, and there is a console before anything is mounted", async () => {
  const modules = await mkdtemp(join(tmpdir(), "bhatti-modules-"));
  try {
    await writeFile(join(modules, "order"), "a.ko\n");
    await writeFile(join(modules, "a.ko"), "module");
    const entries = entriesOf(await buildInitramfs(Buffer.from("agent!!"), modules));
    expect(entries.get("init")).toEqual({ mode: 0o100755, content: "agent!!" });
    expect(entries.get("modules/a.ko")).toEqual({ mode: 0o100644, content: "module" });
    expect(entries.get("modules/order")?.content).toBe("a.ko\n");
    expect(entries.get("dev/console")?.mode).toBe(0o020600);
    expect([...entries.keys()].at(-1)).toBe("TRAILER!!!");
  } finally {
    await rm(modules, { recursive: true, force: true });
  }
});
