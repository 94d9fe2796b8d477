/** The runner of `make test` reports every failure of a job or of its own in the sum. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { countBun, countCargo, countCheck } from "../scripts/testing/counts.ts";
import { type Job, jobs, quickTests } from "../scripts/testing/jobs.ts";
import { machineHomes, socketFolder, sweep } from "../scripts/testing/leftovers.ts";
import { type Outcome, runJobs } from "../scripts/testing/runner.ts";
import { longestFirst, readTimes, writeTimes } from "../scripts/testing/times.ts";
import { makeProcessFolder } from "../src/host/process-folder.ts";

const root = resolve(import.meta.dirname, "..");

function scratch() {
  const folder = mkdtempSync(join(tmpdir(), "bhatti-runner-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

test.each<[string, number, number, number]>([
  [" 12 pass\n 0 fail\nRan 12 tests", 0, 12, 0],
  [" 12 pass\n 2 fail\nRan 14 tests", 1, 12, 2],
  // It passed all that it ran, and then crashed.
  [" 12 pass\n 0 fail\n 1 error\n", 1, 12, 1],
  ["panic: Segmentation fault\n", 139, 0, 1],
  ["", 0, 0, 1],
  // A program under test printed what looks like a sum.
  [" 9 pass\n 9 fail\n 1 pass\n 0 fail\n", 0, 1, 0],
])(
  "bun's output %j with exit code %d counts %d passed and %d failed",
  (output, code, passed, failed) => {
    expect(countBun(output, code)).toEqual({ passed, failed });
  },
);

test("cargo's output counts the tests of all its binaries", () => {
  const ok =
    "test result: ok. 3 passed; 0 failed; 0 ignored\ntest result: ok. 4 passed; 0 failed\n";
  expect(countCargo(ok, 0)).toEqual({ passed: 7, failed: 0 });
  const bad = `${ok}test result: FAILED. 1 passed; 2 failed\n`;
  expect(countCargo(bad, 101)).toEqual({ passed: 8, failed: 2 });
  expect(countCargo("error: could not compile", 101)).toEqual({ passed: 0, failed: 1 });
  expect(countCargo("", 0)).toEqual({ passed: 0, failed: 1 });
  expect(countCheck("", 0)).toEqual({ passed: 1, failed: 0 });
  expect(countCheck("", 2)).toEqual({ passed: 0, failed: 1 });
});

test("jobs start longest first, unknown ones before most", () => {
  using place = scratch();
  const [fallback, own] = [join(place.folder, "a.json"), join(place.folder, "b.json")];
  writeTimes(fallback, { short: 1, long: 300, changed: 400 });
  writeTimes(own, { changed: 0.26 });
  const times = readTimes(fallback, own, join(place.folder, "missing.json"));
  expect(times).toEqual({ short: 1, long: 300, changed: 0.3 });
  const named = ["changed", "short", "new", "long"].map((name) => job(name, "true"));
  expect(longestFirst(named, times).map(({ name }) => name)).toEqual([
    "long",
    "new",
    "short",
    "changed",
  ]);
});

test("every test file is a job, and quick ones start no machine", () => {
  const files = [
    "tests/layers.test.ts",
    "tests/api/a.test.ts",
    "tests/vm/a.test.ts",
    "tests/cli/a.test.ts",
  ];
  const names = jobs(files).map(({ name }) => name);
  expect(names).toEqual([
    "types",
    "lint",
    "rust format",
    "rust lint",
    "guest agent",
    "src",
    ...files,
  ]);
  expect(files.filter((file) => quickTests.test(file))).toEqual(files.slice(0, 2));
});

const job = (name: string, script: string): Job => ({
  name,
  command: ["sh", "-c", script],
  folder: ".",
  count: countBun,
});

async function outcomesOf(list: readonly Job[], limitMs: number): Promise<Outcome[]> {
  using place = scratch();
  const outcomes: Outcome[] = [];
  await runJobs(list, {
    root: place.folder,
    folder: join(place.folder, "output"),
    scratch: place.folder,
    lanes: 2,
    limitMs,
    signal: new AbortController().signal,
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  return outcomes;
}

test("jobs that crash or are missing have failed, and the others run on", async () => {
  const good = "echo ' 1 pass'";
  const missing: Job = { ...job("c", ""), command: ["/nowhere/program"] };
  const outcomes = await outcomesOf(
    [job("a", good), job("b/crash", "kill -SEGV $$"), missing, job("d", good)],
    300_000,
  );
  const sums = outcomes.map(({ job: { name }, passed, failed, signal }) => [
    name,
    passed,
    failed,
    signal,
  ]);
  expect(sums.toSorted()).toEqual([
    ["a", 1, 0, null],
    ["b/crash", 0, 1, "SIGSEGV"],
    ["c", 0, 1, null],
    ["d", 1, 0, null],
  ]);
  const outputs = Object.fromEntries(outcomes.map((outcome) => [outcome.job.name, outcome.output]));
  expect(outputs["a"]).toBe(" 1 pass\n");
  expect(outputs["c"]).toContain("/nowhere/program");
});

test("a job that hangs is killed at its limit, and has failed", async () => {
  expect(await outcomesOf([job("a", "sleep 1000")], 50)).toMatchObject([
    { passed: 0, failed: 1, signal: "SIGKILL" },
  ]);
});

test("a job that leaves a temporary file has failed, and the file is removed", async () => {
  const [outcome] = await outcomesOf(
    [job("a", 'touch "$TMPDIR/kept"; echo " 1 pass"; echo "$TMPDIR"')],
    300_000,
  );
  const scratch = outcome?.output.split("\n")[1] ?? "";
  expect(outcome).toMatchObject({ passed: 1, failed: 1 });
  expect(outcome?.output).toEndWith(`The job left temporary files: ${scratch}/kept\n`);
  expect(existsSync(scratch)).toBe(false);
});

test("a job that fails is not blamed for temporary files, and they are removed", async () => {
  const [outcome] = await outcomesOf([job("a", 'touch "$TMPDIR/kept"; exit 1')], 300_000);
  expect(outcome).toMatchObject({ passed: 0, failed: 1, output: "" });
});

test("a sweep removes folders of runs that were killed, with their processes and sockets, and no others", async () => {
  using place = scratch();
  const homes = join(place.folder, machineHomes.parent);
  mkdirSync(homes, { recursive: true });
  const ended = Bun.spawn(["true"]);
  await ended.exited;
  const abandoned = join(homes, `${machineHomes.prefix}${ended.pid}-1-abcdef`);
  mkdirSync(join(abandoned, "data"), { recursive: true });
  writeFileSync(join(abandoned, "data/bhatti.db"), "");
  const sockets = socketFolder(join(abandoned, "data"));
  mkdirSync(sockets, { recursive: true });
  const orphan = Bun.spawn(["sleep", "1000"], { env: { TMPDIR: abandoned }, stderr: "ignore" });
  const own = makeProcessFolder(homes, machineHomes.prefix);
  const running = Bun.spawn(["sleep", "1000"], { env: { TMPDIR: own }, stderr: "ignore" });
  expect(await sweep(place.folder)).toContain(abandoned);
  await orphan.exited;
  expect(orphan.signalCode).toBe("SIGKILL");
  expect([abandoned, sockets, own].map((path) => existsSync(path))).toEqual([false, false, true]);
  running.kill("SIGTERM");
  await running.exited;
  expect(running.signalCode).toBe("SIGTERM");
});

test("a stopped runner ends its jobs and starts no other", async () => {
  using place = scratch();
  const stopped = new AbortController();
  const outcomes: string[] = [];
  const running = runJobs([job("a", "echo started; sleep 1000"), job("b", "true")], {
    root: place.folder,
    folder: place.folder,
    scratch: place.folder,
    lanes: 1,
    limitMs: 60_000,
    signal: stopped.signal,
    onOutcome: (outcome) => outcomes.push(outcome.job.name),
  });
  stopped.abort();
  await running;
  expect(outcomes).toEqual(["a"]);
});

test.each<[string, string, string, number]>([
  ["the runner ends", "echo 7 0 >$2; echo done >>$2", "8 passed, 0 failed", 0],
  ["a test fails", "echo 7 1 >$2; echo done >>$2", "8 passed, 1 failed", 1],
  ["the runner is killed", "echo 7 0 >$2; kill -KILL $$", "7 passed, 1 failed", 1],
  ["the runner does not start", "exit 127", "0 passed, 1 failed", 1],
])("the last line of make test is the sum when %s", async (_, runner, sum, exitCode) => {
  using place = scratch();
  cpSync(join(root, "scripts"), join(place.folder, "scripts"), { recursive: true });
  const stub = (path: string, script: string) => {
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };
  mkdirSync(join(place.folder, "bin"));
  stub(join(place.folder, "scripts/setup.sh"), "echo set up for $1");
  stub(join(place.folder, "bin/bun"), runner);
  const env = { PATH: `${place.folder}/bin:${process.env["PATH"]}`, HOME: place.folder };
  const child = Bun.spawn(["scripts/test.sh"], { cwd: place.folder, env, stderr: "ignore" });
  const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
  expect(lines[1]).toBe("set up for tests");
  expect(lines.at(-1)).toBe(sum);
  expect(await child.exited).toBe(exitCode);
});
