import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Detached, endProcess, isAlive, launch } from "../../host/process.ts";
import { silentLogger } from "../../observability/log.ts";
import { type EnginePaths, enginePaths, goldenPaths, machinePaths } from "./paths.ts";
import { endStrays, readRecord, runningProcess, writeRecord } from "./record.ts";

let folder: string;
let engine: EnginePaths;
const started: Detached[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bhatti-record-"));
  engine = enginePaths(join(folder, "data"), join(folder, "run"));
  for (const path of [engine.golden, engine.runtime]) await mkdir(path, { recursive: true });
});
afterAll(async () => {
  for (const process of started) await endProcess(process);
  await rm(folder, { recursive: true, force: true });
});

const hardware = { cpus: 1, memoryMB: 256 };
const machine = async (digit: string) => {
  const paths = machinePaths(engine, digit.repeat(16));
  await mkdir(paths.directory, { recursive: true });
  return paths;
};

/** As a QEMU that has not written its pid file yet. */
async function start(pidFile: string): Promise<Detached> {
  const words = ["bash", "-c", "while :; do sleep 0.1; done", "qemu", "-pidfile", pidFile];
  const process = await launch(words, []);
  started.push(process);
  // For a moment after its start a process has no arguments yet.
  while (!(await readFile(`/proc/${process.pid}/cmdline`, "utf8")).includes(pidFile))
    await Bun.sleep(1);
  return process;
}

test("of all processes only those of ours that run no machine are ended", async () => {
  const recorded = await machine("1");
  const young = await machine("2");
  const unwritten = await machine("3");
  const elsewhere = enginePaths(join(folder, "data2"), join(folder, "run"));
  const other = join(folder, "other/qemu.pid");
  const kept = [
    await start(recorded.pidFile),
    await start(young.pidFile),
    await start(machinePaths(elsewhere, "3".repeat(16)).pidFile),
    await start(other),
  ] as const;
  const { pid, startTime } = kept[0];
  await writeRecord(recorded, { pid, startTime, hardware, epoch: 1 });
  await writeFile(young.pidFile, `${kept[1].pid}\n`);
  const ended = [
    await start(unwritten.pidFile),
    await start(recorded.pidFile), // a second one on the same disk
    await start(goldenPaths(engine.golden, "key-1").pidFile),
    await start(join(engine.runtime, "probe-1/pid")),
  ];
  await endStrays(engine, silentLogger);
  expect(kept.map(isAlive)).toEqual([true, true, true, true]);
  expect(ended.map(isAlive)).toEqual([false, false, false, false]);
});

test("a merge of layers that outlived its daemon is ended, another is not", async () => {
  const merging = async (directory: string) => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "commit"), "while :; do sleep 0.1; done");
    const script = `cd ${directory} && exec -a qemu-img bash commit`;
    const process = await launch(["bash", "-c", script], []);
    started.push(process);
    const told = () => readFile(`/proc/${process.pid}/cmdline`, "utf8");
    while (!(await told()).startsWith("qemu-img")) await Bun.sleep(1);
    return process;
  };
  const ours = await merging(join((await machine("5")).directory, "disk"));
  const another = await merging(join(folder, "other"));
  await endStrays(engine, silentLogger);
  expect([ours, another].map(isAlive)).toEqual([false, true]);
});

test.each(["", "{", "{}", '{"pid":-1,"startTime":1,"hardware":{"cpus":1,"memoryMB":256}}'])(
  "a record that is %p is as good as none: the pid file says what runs",
  async (text) => {
    const paths = await machine("4");
    const { pid } = await start(paths.pidFile);
    await writeFile(paths.record, text);
    await writeFile(paths.pidFile, `${pid}\n`);
    await expect(readRecord(paths)).rejects.toThrow("Cannot read the manifest");
    expect((await runningProcess(paths))?.pid).toBe(pid);
  },
);
