/** The binary, built once when it is older than what it is made of, and a way to run it and keep what it says. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { until } from "./until.ts";

const root = resolve(import.meta.dirname, "../..");
export const binary = join(root, "dist/bhatti");
/** One whose daemon ends at the points that src/async/fault-point.ts tells of. */
export const faultBinary = join(root, ".bhatti/tests/bhatti-faults");

const agent = join(root, "guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar");
const built = new Map<string, Promise<void>>();

export function ensureBinary(): Promise<void> {
  return once(binary, []);
}

export function ensureFaultBinary(): Promise<void> {
  return once(faultBinary, ["--faults"], [agent]);
}

function once(outfile: string, flags: string[], more: string[] = []): Promise<void> {
  const build = built.get(outfile) ?? buildIfOld(outfile, flags, more);
  built.set(outfile, build);
  return build;
}

async function buildIfOld(outfile: string, flags: string[], more: string[]): Promise<void> {
  const made = statSync(outfile, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => !file.endsWith(".test.ts"))
    .map((file) => join(root, "src", file));
  const inputs = [...sources, join(root, "scripts/build.ts"), join(root, "package.json"), ...more];
  if (inputs.every((file) => statSync(file).mtimeMs <= made)) return;
  const build = Bun.spawn([process.execPath, join(root, "scripts/build.ts"), ...flags, outfile], {
    stderr: "pipe",
    stdout: "ignore",
  });
  const said = await new Response(build.stderr).text();
  if ((await build.exited) !== 0) throw new Error(`the build failed: ${said}`);
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  /** Stdout as it came. */
  bytes: Uint8Array;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  stdin?: Uint8Array<ArrayBuffer> | string;
  cwd?: string;
}

/** Runs the binary to its end. Its environment is what is given and PATH, nothing of ours. */
export function runBinary(args: string[], options: RunOptions = {}): Promise<Outcome> {
  return runProcess([binary, ...args], options);
}

export async function runProcess(command: string[], options: RunOptions): Promise<Outcome> {
  const child = Bun.spawn(command, {
    env: { PATH: process.env["PATH"], ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [bytes, stderr, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stderr, bytes, stdout: new TextDecoder().decode(bytes) };
}

/** A run in a terminal of its own: what was on the screen, and a way to type. */
export interface TerminalRun {
  screen(): string;
  type(keys: string): void;
  readonly pid: number;
  /** Closes the terminal, as its window does. */
  hangUp(): void;
  /** When all that it wrote is on the screen. */
  readonly exited: Promise<number>;
  /** The screen once it shows the text. */
  shows(text: string): Promise<string>;
}

export function runInTerminal(
  command: string[],
  env: Record<string, string | undefined>,
): TerminalRun {
  let screen = "";
  const decoder = new TextDecoder();
  const closed = Promise.withResolvers<void>();
  const child = Bun.spawn(command, {
    env: { PATH: process.env["PATH"], TERM: "xterm", ...env },
    terminal: {
      cols: 100,
      rows: 40,
      data(_terminal, bytes) {
        screen += decoder.decode(bytes, { stream: true });
      },
      exit: () => closed.resolve(),
    },
  });
  const run: TerminalRun = {
    screen: () => screen,
    type: (keys) => void child.terminal?.write(keys),
    pid: child.pid,
    hangUp: () => child.terminal?.close(),
    exited: closed.promise.then(() => child.exited),
    async shows(text) {
      await until(`"${text}" is on the screen`, () => screen.includes(text)).catch((error) => {
        child.kill("SIGKILL");
        throw new Error(`${error.message}; it shows ${screen}`);
      });
      return screen;
    },
  };
  return run;
}
