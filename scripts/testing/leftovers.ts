/** Temporary folders of tests: what a job leaves behind, and what runs that were killed left. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fakeHostParent, fakeHostPrefix } from "../../src/engine/fake/fake-host.ts";
import { endProcess, run, startTimeOf } from "../../src/host/process.ts";
import { makeProcessFolder, processFolders } from "../../src/host/process-folder.ts";

const runPrefix = "bhatti-tests-";
/** Of a daemon of tests/vm, next to the images that it links to. */
export const machineHomes = { parent: ".bhatti/tests", prefix: "run-" };

interface Place {
  parent: string;
  prefix: string;
}

/** Where tests have folders outside of their temporary one. */
function placesIn(root: string): Place[] {
  return [
    { parent: fakeHostParent, prefix: fakeHostPrefix },
    { ...machineHomes, parent: join(root, machineHomes.parent) },
  ];
}

/** Creates the folder that the temporary folders of a run's jobs lie in. */
export function makeScratch(): string {
  return makeProcessFolder(tmpdir(), runPrefix);
}

/** Lists what a job that has ended left in its temporary folder and elsewhere. */
export function leftBy(pid: number | undefined, scratch: string, root: string): string[] {
  const elsewhere = placesIn(root).flatMap(({ parent, prefix }) => processFolders(parent, prefix));
  return [
    ...readdirSync(scratch).map((name) => join(scratch, name)),
    ...elsewhere.filter((folder) => folder.pid === pid).map(({ path }) => path),
  ];
}

/** Removes what killed runs of this user left. Folders of running processes are left alone. */
export async function sweep(root: string): Promise<string[]> {
  const places = [{ parent: tmpdir(), prefix: runPrefix }, ...placesIn(root)];
  const abandoned = places
    .flatMap(({ parent, prefix }) => processFolders(parent, prefix))
    .filter(({ path, isAbandoned }) => isAbandoned && statSync(path).uid === process.getuid?.())
    .map(({ path }) => path);
  await removeAll(...abandoned);
  return abandoned;
}

/** Removes folders, and before that the processes, mounts and sockets that belong to them. */
export async function removeAll(...folders: string[]): Promise<void> {
  if (folders.length === 0) return;
  await endProcessesOf(folders);
  for (const folder of folders) {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const mount of mountsBelow(folder)) await run(["umount", "--lazy", mount]);
    for (const socketFolder of socketFoldersOf(folder)) {
      await rm(socketFolder, { recursive: true, force: true });
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Ends every process that has a folder among its arguments or in its environment, as TMPDIR is inherited. */
async function endProcessesOf(folders: readonly string[]): Promise<void> {
  const isOurs = (pid: number) => {
    const words = ["cmdline", "environ"].map((name) => textOf(`/proc/${pid}/${name}`)).join("\0");
    return folders.some((folder) =>
      [`${folder}/`, `${folder}\0`].some((end) => words.includes(end)),
    );
  };
  for (const pid of readdirSync("/proc").map(Number)) {
    if (!(pid > 1) || pid === process.pid || !isOurs(pid)) continue;
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) await endProcess({ pid, startTime });
  }
}

function mountsBelow(folder: string): string[] {
  const points = textOf("/proc/self/mounts")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  return points.filter((point) => point.startsWith(`${folder}/`)).toReversed();
}

function socketFoldersOf(folder: string): string[] {
  const databases = ["", "*/", "*/*/", "*/*/*/"].flatMap((above) => [
    ...new Bun.Glob(`${above}bhatti.db`).scanSync({ cwd: folder, dot: true }),
  ]);
  // An engine without a daemon has no database.
  const dataDirs = [folder, ...[...databases].map((path) => join(folder, dirname(path)))];
  return dataDirs.map(socketFolder);
}

/** Where a daemon that root has started has its sockets. */
export function socketFolder(dataDir: string): string {
  return join("/run/bhatti", createHash("sha256").update(dataDir).digest("hex").slice(0, 8));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
