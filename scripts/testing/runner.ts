/** Runs jobs in lanes, each with a file for its output and a temporary folder of its own. */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Counts } from "./counts.ts";
import type { Job } from "./jobs.ts";
import { leftBy, removeAll } from "./leftovers.ts";

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
  /** For the temporary folders. Short, as the paths of sockets are. */
  scratch: string;
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
  const queue = [...jobs.entries()];
  const lane = async () => {
    for (let next = queue.shift(); next && !options.signal.aborted; next = queue.shift()) {
      const [index, job] = next;
      options.onOutcome(await runJob(job, join(options.scratch, String(index)), options));
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
}

async function runJob(job: Job, scratch: string, options: RunnerOptions): Promise<Outcome> {
  const file = join(options.folder, `${job.name.replaceAll(/[^\w.-]+/g, "_")}.log`);
  mkdirSync(scratch);
  const started = performance.now();
  const { code, signal, pid } = await execute(job, file, scratch, options);
  const seconds = (performance.now() - started) / 1000;
  const left = leftBy(pid, scratch, options.root);
  const output = readFileSync(file, "utf8");
  const counts = job.count(output, code);
  await removeAll(scratch, ...left);
  // A job that failed may not have come to its end.
  if (code !== 0 || left.length === 0) return { job, seconds, output, signal, ...counts };
  const complaint = `${output.trimEnd()}\nThe job left temporary files: ${left.join(", ")}\n`;
  return { job, seconds, output: complaint, signal, ...counts, failed: counts.failed + 1 };
}

async function execute(job: Job, file: string, scratch: string, options: RunnerOptions) {
  const descriptor = openSync(file, "w");
  try {
    const child = Bun.spawn([...job.command], {
      cwd: join(options.root, job.folder),
      env: { ...process.env, TMPDIR: scratch },
      stdin: "ignore",
      stdout: descriptor,
      stderr: descriptor,
      timeout: options.limitMs,
      killSignal: "SIGKILL",
      signal: options.signal,
    });
    const code = await child.exited;
    const signal = child.signalCode === null ? null : String(child.signalCode);
    return { code, signal, pid: child.pid };
  } catch (error) {
    // There is no such program.
    writeSync(descriptor, `${error}\n`);
    return { code: 127, signal: null, pid: undefined };
  } finally {
    closeSync(descriptor);
  }
}
