/** The guest's first file system: lohar as /init and the modules that a boot needs, as a cpio archive (newc). */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Entry {
  path: string;
  /** File type and permission bits, as in stat(2). */
  mode: number;
  content?: Uint8Array;
  device?: [major: number, minor: number];
}

const directory = 0o040755;
const executable = 0o100755;
const plain = 0o100644;
const characterDevice = 0o020600;

export async function buildInitramfs(agent: Uint8Array, modules: string): Promise<Uint8Array> {
  const files = (await readdir(modules)).sort();
  const entries: Entry[] = [
    { path: "dev", mode: directory },
    // The kernel opens it before anything is mounted.
    { path: "dev/console", mode: characterDevice, device: [5, 1] },
    ...["proc", "sys", "run", "newroot", "modules"].map((path) => ({ path, mode: directory })),
    { path: "init", mode: executable, content: agent },
  ];
  for (const file of files) {
    const content = await readFile(join(modules, file));
    entries.push({ path: `modules/${file}`, mode: plain, content });
  }
  return cpio(entries);
}

function cpio(entries: Entry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [index, entry] of entries.entries()) parts.push(...record(entry, index + 1));
  parts.push(...record({ path: "TRAILER!!!", mode: 0 }, 0));
  return Buffer.concat(parts);
}

function record(entry: Entry, inode: number): Uint8Array[] {
  const content = entry.content ?? new Uint8Array();
  const name = Buffer.from(`${entry.path}\0`);
  const [major, minor] = entry.device ?? [0, 0];
  const links = entry.mode & 0o040000 ? 2 : 1;
  const fields = [
    inode,
    entry.mode,
    0,
    0,
    links,
    0,
    content.length,
    0,
    0,
    major,
    minor,
    name.length,
    0,
  ];
  const header = Buffer.from(
    `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`,
  );
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

/** Headers and contents start at multiples of four. */
function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
