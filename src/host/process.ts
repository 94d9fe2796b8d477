/** The one wrapper of child processes: those that we wait for, and those that outlive us. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { abortable, pause, reasonOf } from "../async/deadline.ts";

export interface RunResult {
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  signal?: AbortSignal;
  cwd?: string;
  env?: Record<string, string>;
  /** Called with each line of stderr as it comes; for progress. */
  onProgress?: (line: string) => void;
  /** The signal kills the processes that it has started, too: until they end, its output is open. */
  ownGroup?: true;
}

/** A command that did not end well: says which, how it ended and its last words. */
export class CommandError extends Error {
  readonly command: readonly string[];
  readonly exitCode: number | null;
  readonly stderr: string;
  /** The end of it, or how the command ended when it said nothing. */
  readonly words: string;
  /** There is no such program. */
  readonly isMissing: boolean;

  constructor(
    command: readonly string[],
    how: string,
    exitCode: number | null,
    stderr: string,
    isMissing = false,
  ) {
    const lastWords = stderr.trimEnd().split("\n").slice(-4).join("\n");
    super(`"${command.join(" ")}" ${how}${lastWords ? `: ${lastWords}` : ""}`);
    this.name = "CommandError";
    this.command = command;
    this.exitCode = exitCode;
    this.stderr = stderr;
    this.words = lastWords || how;
    this.isMissing = isMissing;
  }
}

/** Runs a command to its end. Throws CommandError when it fails; the signal kills it, and its reason is thrown. */
export async function run(command: string[], options: RunOptions = {}): Promise<RunResult> {
  if (options.signal?.aborted) throw reasonOf(options.signal);
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: options.cwd,
    detached: options.ownGroup === true,
    ...(options.env && { env: options.env }),
  });
  const onAbort = () => {
    if (options.ownGroup && child.pid !== undefined) killGroup(child.pid);
    else child.kill("SIGKILL");
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-65_536);
    for (const line of text.split("\n")) if (line) options.onProgress?.(line);
  });
  try {
    const { code, signal } = await outcome(child, command);
    if (options.signal?.aborted) throw reasonOf(options.signal);
    if (signal) throw new CommandError(command, `was killed by ${signal}`, code, stderr);
    if (code !== 0) throw new CommandError(command, `failed with exit code ${code}`, code, stderr);
    return { stdout, stderr };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** For people: what was tried and the command's own words, in place of the command itself. */
export async function explained<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof CommandError) || cause.isMissing) throw cause;
    throw new Error(`${what}: ${cause.words}`, { cause });
  }
}

function outcome(child: ChildProcess, command: readonly string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    code: number | null;
    signal: string | null;
  }>();
  child.once("error", (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === "ENOENT";
    const how = isMissing ? "cannot be started: no such program" : error.message;
    reject(new CommandError(command, how, null, "", isMissing));
  });
  child.once("close", (code, signal) => resolve({ code, signal }));
  return promise;
}

/** A process by what tells it from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to its start (proc(5), field 22). */
  startTime: number;
}

export interface Detached extends ProcessIdentity {
  /** Settles when it has ended: its exit code, or the name of the signal that ended it. */
  exited: Promise<number | string>;
}

/**
 * Starts a process that outlives us, in a session of its own.
 * `descriptors` are open files it inherits as 1 (stdout), 2 (stderr), 3, 4 …; stdin is empty.
 */
export async function launch(command: string[], descriptors: number[]): Promise<Detached> {
  const [program = "", ...rest] = command;
  const stdio: StdioOptions = ["ignore", ...descriptors];
  const child = spawn(program, rest, { stdio, detached: true });
  const ended = outcome(child, command).then(({ code, signal }) => signal ?? code ?? 0);
  ended.catch(() => {}); // reported by `exited`, which may have no listener yet
  child.unref();
  if (child.pid === undefined) {
    await ended;
    throw new CommandError(command, "cannot be started", null, "");
  }
  const startTime = startTimeOf(child.pid);
  if (startTime === undefined) {
    throw new CommandError(command, `exited at start (${await ended})`, null, "");
  }
  return { pid: child.pid, startTime, exited: ended };
}

/**
 * When the process started, or undefined when there is none. A zombie counts as none, unless threads of it are still on
 * their way out: those hold its files and locks.
 */
export function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [isZombie, threads] = [fields[0] === "Z", Number(fields[17])];
    return isZombie && threads <= 1 ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startTimeOf(identity.pid) === identity.startTime;
}

export const endProcessMs = 10_000;

/** Kills that very process and waits until it is gone. */
export async function endProcess(
  identity: ProcessIdentity,
  signal: AbortSignal = AbortSignal.timeout(endProcessMs),
): Promise<void> {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  for (let wait = 1; isAlive(identity); wait = Math.min(wait * 2, 50)) {
    await abortable(pause(wait, signal), signal);
  }
}
