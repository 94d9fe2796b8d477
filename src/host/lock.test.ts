import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holderPath, lockDirectory } from "./lock.ts";

const made: string[] = [];
function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "bhatti-lock-"));
  made.push(path);
  return path;
}
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

test("one holder at a time, whose name is told", async () => {
  const dir = directory();
  const lock = await lockDirectory(dir);
  await lock.describe({ listen: "http://127.0.0.1:1" });
  expect(JSON.parse(readFileSync(holderPath(dir), "utf8"))).toEqual({
    pid: process.pid,
    startTime: expect.any(Number),
    started_at: expect.any(String),
    listen: "http://127.0.0.1:1",
  });
  await expect(lockDirectory(dir)).rejects.toThrow(`(pid ${process.pid}, since `);
  await lock[Symbol.asyncDispose]();
  expect(existsSync(holderPath(dir))).toBeFalse();
  await using again = await lockDirectory(dir);
  expect(again).toBeDefined();
});

test("a directory that takes no files is named, and not as one of another daemon", async () => {
  await expect(lockDirectory("/proc/self")).rejects.toMatchObject({
    code: "host_unfit",
    message: "Cannot lock the data directory /proc/self: unable to open database file",
    hint: "Choose a writable directory with --data-dir",
  });
  const dir = directory();
  writeFileSync(join(dir, "daemon.lock"), "x".repeat(5000));
  await expect(lockDirectory(dir)).rejects.toMatchObject({
    message: `Cannot lock the data directory ${dir}: file is not a database`,
  });
});

test("the lock of a process that was killed is free", async () => {
  const dir = directory();
  const script = `
    const { lockDirectory } = await import(${JSON.stringify(join(import.meta.dir, "lock.ts"))});
    await lockDirectory(${JSON.stringify(dir)});
    console.log("locked");
    await Bun.sleep(60_000);`;
  await using child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  await child.stdout.getReader().read();
  await expect(lockDirectory(dir)).rejects.toThrow(`(pid ${child.pid}, since `);
  child.kill("SIGKILL");
  await child.exited;
  await using lock = await lockDirectory(dir);
  expect(lock).toBeDefined();
});
