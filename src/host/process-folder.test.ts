import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { startTimeOf } from "./process.ts";
import { makeProcessFolder, processFolders } from "./process-folder.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "bhatti-process-folder-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test("a process folder names its process and is closed to other users", () => {
  const folder = makeProcessFolder(parent, "run-");
  expect(basename(folder)).toStartWith(`run-${process.pid}-${startTimeOf(process.pid)}-`);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(makeProcessFolder(parent, "run-")).not.toBe(folder);
});

test("folders of the prefix are listed with their process, and abandoned when it has ended", async () => {
  const ended = Bun.spawn(["true"]);
  await ended.exited;
  const make = (name: string) => {
    mkdirSync(join(parent, name));
    return join(parent, name);
  };
  const own = makeProcessFolder(parent, "run-");
  for (const name of ["run-", "run-abc", "run-1-x-y", "other-1-1-x", "data", "my-run-1-1-x"]) {
    make(name);
  }
  const killed = make(`run-${ended.pid}-5-abcdef`);
  // A later process has the pid.
  const earlier = make(`run-${process.pid}-1-abcdef`);
  const listed = processFolders(parent, "run-").toSorted((a, b) => (a.path < b.path ? -1 : 1));
  expect(listed).toEqual(
    [
      { path: own, pid: process.pid, isAbandoned: false },
      { path: killed, pid: ended.pid, isAbandoned: true },
      { path: earlier, pid: process.pid, isAbandoned: true },
    ].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  );
  expect(processFolders(join(parent, "missing"), "run-")).toEqual([]);
});
