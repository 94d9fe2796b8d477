/** The compiled binary as a daemon on real machines, with a data directory, a port and a user of its own. */
import { existsSync, readFileSync } from "node:fs";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { machineHomes } from "../../scripts/testing/leftovers.ts";
import { makeProcessFolder } from "../../src/host/process-folder.ts";
import { openOperator } from "../../src/operator/operator.ts";
import type { NewUser } from "../../src/services/users.ts";
import { borrowGoldens, copyGoldens, lendGoldens } from "./golden-share.ts";
import { until } from "./until.ts";

const hasNetns = process.env["BHATTI_TEST_NETNS"] !== undefined;
const root = resolve(import.meta.dirname, "../..");
const state = join(root, ".bhatti");
const goldenShare = join(state, "tests/goldens");
export const binary = join(root, "dist/bhatti");
export const kernelFolder = join(state, "kernel");

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  bytes: Uint8Array;
}

export interface CommandInput {
  stdin?: Uint8Array | string;
  env?: Record<string, string>;
}

export interface MachineDaemon extends AsyncDisposable {
  url: string;
  key: string;
  dataDir: string;
  runtimeDir: string;
  /** Pid of the daemon that runs now. */
  readonly pid: number;
  run(args: string[], input?: CommandInput): Promise<Outcome>;
  /** Runs it and returns its output; throws with everything it said when it fails. */
  ok(...args: string[]): Promise<string>;
  json<T>(...args: string[]): Promise<T>;
  /** Sends a GET request, which takes much less processor time than a command: for what is polled. */
  get<T>(path: string): Promise<T>;
  /** Starts it and leaves it to the caller, who may send it signals. */
  spawn(args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** What is written so far. */
  log(): string;
  /** With everything that the daemon had to say by now: it writes in order, but after it answers. */
  wholeLog(): Promise<string>;
  /** Ends the daemon, and gives its exit code. */
  kill(signal: "SIGTERM" | "SIGKILL"): Promise<number>;
  /** Starts a daemon on the same data directory, after a kill. */
  restart(): Promise<void>;
}

export interface DaemonOptions {
  poolSize?: number;
  accelerator?: string;
  kernel?: string;
  images?: string[];
  /**
   * Uses the golden snapshots that other tests made, and leaves its own to them. A test that is about them has its own, or
   * copies of those for machines of these sizes in MB, as a test needs that damages them or has another file system.
   */
  golden?: "shared" | "own" | { copiesOf: number[] };
  /** The user's limits. */
  user?: Partial<NewUser>;
  /** The part `network` of the configuration. */
  network?: string;
  /** Where the data goes; a folder below .bhatti otherwise. */
  dataDir?: string;
  env?: Record<string, string>;
  config?: string[];
  /** Instead of dist/bhatti. */
  binary?: string;
}

export async function startMachineDaemon(options: DaemonOptions = {}): Promise<MachineDaemon> {
  const prepared = await prepareDaemon(options);
  await prepared.restart();
  return prepared;
}

/** Everything but a running daemon. */
export async function prepareDaemon(options: DaemonOptions = {}): Promise<MachineDaemon> {
  const homes = join(root, machineHomes.parent);
  await mkdir(homes, { recursive: true });
  const home = makeProcessFolder(homes, machineHomes.prefix);
  const dataDir = options.dataDir ?? join(home, "data");
  const key = await prepareData(dataDir, options.images ?? ["tiny"], options.user);
  const { golden = "shared" } = options;
  if (golden === "shared") await borrowGoldens(goldenShare, dataDir);
  else if (golden !== "own") await copyGoldens(goldenShare, dataDir, golden.copiesOf);
  const config = join(home, "config.yaml");
  const logFile = join(home, "daemon.log");
  const program = options.binary ?? binary;
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  await writeFile(
    config,
    [
      `listen: 127.0.0.1:${port}`,
      `data_dir: ${dataDir}`,
      `kernel: ${options.kernel ?? kernelFolder}`,
      `accelerator: ${options.accelerator ?? "tcg"}`,
      `pool_size: ${options.poolSize ?? 0}`,
      `default_image: ${options.images?.[0] ?? "tiny"}`,
      `api_url: ${url}`,
      `auth_token: ${key}`,
      // Without a namespace of the test's own, the daemon would change the network of the host.
      `network: ${options.network ?? `{ mode: ${hasNetns ? "auto" : "none"} }`}`,
      "limits:",
      ...["create", "exec", "read"].flatMap((kind) => [
        `  ${kind}_per_minute: 100000`,
        `  ${kind}_burst: 100000`,
      ]),
      ...(options.config ?? []),
      "",
    ].join("\n"),
  );
  const env = {
    ...process.env,
    BHATTI_CONFIG: config,
    BHATTI_LOG_LEVEL: "debug",
    ...options.env,
  };
  let daemon: ReturnType<typeof spawnDaemon> | undefined;
  const spawnDaemon = () =>
    Bun.spawn([program, "serve"], {
      env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: logDescriptor,
    });
  const { openSync } = await import("node:fs");
  const logDescriptor = openSync(logFile, "a");

  const self: MachineDaemon = {
    url,
    key,
    dataDir,
    runtimeDir: "/run/bhatti",
    get pid() {
      return daemon?.pid ?? -1;
    },
    run: (args, input) => runBinary([program, ...args], { ...env, ...input?.env }, input?.stdin),
    async ok(...args) {
      const { code, stdout, stderr } = await self.run(args);
      if (code !== 0) {
        throw new Error(
          `bhatti ${args.join(" ")}: exit ${code}\n${stderr}\n${self.log().slice(-4000)}`,
        );
      }
      return stdout;
    },
    async json(...args) {
      return JSON.parse(await self.ok(...args, "--json"));
    },
    async get(path) {
      const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${text}`);
      return JSON.parse(text);
    },
    spawn: (args) =>
      Bun.spawn([program, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
    log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8") : ""),
    async wholeLog() {
      const answer = await fetch(`${url}/health`);
      const last = answer.headers.get("x-request-id");
      if (!last) throw new Error("The daemon's answer has no request id to find in its log");
      await until(`the log tells of request "${last}"`, () => self.log().includes(last));
      return self.log();
    },
    async kill(signal) {
      daemon?.kill(signal);
      const code = (await daemon?.exited) ?? -1;
      daemon = undefined;
      return code;
    },
    async restart() {
      daemon = spawnDaemon();
      const started = daemon;
      let ended: number | undefined;
      void started.exited.then((code) => {
        ended = code;
      });
      const answers = async () => {
        if (ended !== undefined) {
          daemon = undefined;
          throw new Error(`It ended with ${ended}`);
        }
        return (await fetch(`${url}/health`).catch(() => undefined))?.ok === true;
      };
      await until("the daemon answers", answers).catch((error: Error) => {
        throw new Error(`${error.message}:\n${self.log().slice(-4000)}`);
      });
    },
    async [Symbol.asyncDispose]() {
      if (!daemon) await self.restart().catch(() => {});
      await destroyAll(self);
      await self.kill("SIGTERM");
      if (golden === "shared") await lendGoldens(dataDir, goldenShare);
      await rm(home, { recursive: true, force: true });
    },
  };
  return self;
}

/** The images are those of the clone's own data; a hard link costs nothing, and images never change. */
async function prepareData(
  dataDir: string,
  images: string[],
  user: Partial<NewUser> = {},
): Promise<string> {
  using source = await openOperator(join(state, "data"));
  using target = await openOperator(dataDir, { create: true });
  for (const name of images) {
    const image = source.images.list(null).find((candidate) => candidate.name === name);
    if (!image) throw new Error(`There is no image ${name}: run scripts/setup.sh first`);
    const [from, to] = [join(state, "data", image.path), join(dataDir, image.path)];
    await mkdir(dirname(to), { recursive: true });
    await link(from, to).catch(() => Bun.write(to, Bun.file(from)));
    const { digest, sizeMB, source: origin } = image;
    target.images.register({ name, digest, path: to, sizeMB, source: origin });
  }
  return target.users.create({ name: "tester", maxSandboxes: 40, ...user }).key;
}

async function runBinary(
  command: string[],
  env: Record<string, string | undefined>,
  stdin: Uint8Array | string | undefined,
): Promise<Outcome> {
  const input = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  const child = Bun.spawn(command, {
    env,
    stdin: input ?? "ignore",
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

async function destroyAll(daemon: MachineDaemon): Promise<void> {
  const { code, stdout } = await daemon.run(["list", "--json"]);
  if (code !== 0) return;
  const sandboxes = JSON.parse(stdout) as { name: string }[];
  await Promise.all(sandboxes.map(({ name }) => daemon.run(["destroy", name, "-y"])));
}

/** One that no program gets without asking for it, so that the daemon has it again after a restart. */
function freePort(): number {
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const lowest = 10_000;
  const count = Number(range.split("\t")[0]) - lowest;
  for (;;) {
    const port = lowest + Math.floor(Math.random() * count);
    if (isFree(port)) return port;
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
