/**
 * Runs all tests: `bun scripts/testing/main.ts TALLY [--quick]`. Prints the output of each job when it has ended. The file
 * TALLY holds the sum so far, and a line `done` at the end.
 */
import { rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { jobs, quickTests } from "./jobs.ts";
import { makeScratch, sweep } from "./leftovers.ts";
import { type Outcome, runJobs } from "./runner.ts";
import { longestFirst, readTimes, writeTimes } from "./times.ts";

const root = resolve(import.meta.dirname, "../..");
const ownTimes = join(root, ".bhatti/tests/times.json");
const [tally = "", mode] = process.argv.slice(2);

const all = [...new Bun.Glob("tests/**/*.test.ts").scanSync({ cwd: root })].sort();
const files = mode === "--quick" ? all.filter((file) => quickTests.test(file)) : all;
const times = { ...readTimes(join(root, "tests/times.json"), ownTimes) };
const failures: string[] = [];
let passed = 0;
let failed = 0;

function onOutcome({ job, seconds, signal, output, ...counts }: Outcome): void {
  passed += counts.passed;
  failed += counts.failed;
  if (counts.failed > 0) failures.push(job.name);
  else times[job.name] = seconds;
  writeTally();
  const ending = signal ? `, killed by ${signal}` : "";
  console.log(`== ${job.name} (${seconds.toFixed(1)} s${ending})\n${output.trimEnd()}`);
}

function writeTally(...more: string[]): void {
  writeFileSync(tally, [`${passed} ${failed}`, ...more, ""].join("\n"));
}

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopped.abort());

const swept = await sweep(root);
if (swept.length > 0) console.log(`Removed what killed runs left: ${swept.join(", ")}`);
const scratch = makeScratch();
await runJobs(longestFirst(jobs(files), times), {
  root,
  folder: join(root, ".bhatti/tests/output"),
  scratch,
  // Tests wait for half of their time; more lanes only slow down those that emulate a processor.
  lanes: Math.min(availableParallelism() + 1, 6),
  // Only a hang takes that long.
  limitMs: 20 * 60_000,
  signal: stopped.signal,
  onOutcome,
});
rmSync(scratch, { recursive: true, force: true });
writeTimes(ownTimes, times);
const left = new Set(all.filter((file) => !files.includes(file)).map((file) => file.split("/")[1]));
if (left.size > 0) {
  console.log(
    `Left out: ${[...left].map((folder) => `tests/${folder}`).join(", ")} (make test runs them)`,
  );
}
if (failures.length > 0) console.log(`Failed: ${failures.join(", ")}`);
if (!stopped.signal.aborted) writeTally("done");
