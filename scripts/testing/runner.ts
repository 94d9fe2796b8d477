/** Runs jobs in lanes, each job's output in a file of its own. */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Counts } from "./counts.ts";
import type { Job } from "./jobs.ts";

export interface Outcome extends Counts {
  job: Job;
  seconds: number;
  output: string;
  /** Set when the job was killed. */
  signal: string | null;
}

export interface RunnerOptions {
  root: string;
  /** For the files of the output. */
  folder: string;
  lanes: number;
  /** A job that takes longer is killed, and has failed. */
  limitMs: number;
  /** Ends the jobs that run; no other is started. */
  signal: AbortSignal;
  onOutcome: (outcome: Outcome) => void;
}

/** Starts the jobs in the order given. */
export async function runJobs(jobs: readonly Job[], options: RunnerOptions): Promise<void> {
  mkdirSync(options.folder, { recursive: true });
  const queue = [...jobs];
  const lane = async () => {
    for (let job = queue.shift(); job && !options.signal.aborted; job = queue.shift()) {
      options.onOutcome(await runJob(job, options));
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
}

async function runJob(job: Job, options: RunnerOptions): Promise<Outcome> {
  const file = join(options.folder, `${job.name.replaceAll(/[^\w.-]+/g, "_")}.log`);
  const started = performance.now();
  const { code, signal } = await execute(job, file, options);
  const seconds = (performance.now() - started) / 1000;
  const output = readFileSync(file, "utf8");
  return { job, seconds, output, signal, ...job.count(output, code) };
}

async function execute(job: Job, file: string, options: RunnerOptions) {
  const descriptor = openSync(file, "w");
  try {
    const child = Bun.spawn([...job.command], {
      cwd: join(options.root, job.folder),
      stdin: "ignore",
      stdout: descriptor,
      stderr: descriptor,
      timeout: options.limitMs,
      killSignal: "SIGKILL",
      signal: options.signal,
    });
    const code = await child.exited;
    return { code, signal: child.signalCode === null ? null : String(child.signalCode) };
  } catch (error) {
    // There is no such program.
    writeSync(descriptor, `${error}\n`);
    return { code: 127, signal: null };
  } finally {
    closeSync(descriptor);
  }
}
