/** A daemon of the benchmark's own: its data, its port, limits that do not get in the way. */
import { existsSync, readFileSync } from "node:fs";
import { link, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { BunFile } from "bun";
import { openOperator } from "../src/operator/operator.ts";

export const root = resolve(import.meta.dirname, "..");
export const binary = join(root, "dist/bhatti");
const state = join(root, ".bhatti");

export interface BenchDaemon extends AsyncDisposable {
  url: string;
  key: string;
  pid: number;
  dataDir: string;
  /** What a CLI of one's own needs to find it. */
  env: Record<string, string | undefined>;
  /** Runs the CLI with its output discarded; throws when it fails. */
  cli(...args: string[]): Promise<void>;
  /** The same, with a local file as its stdin. */
  cliFrom(file: string, ...args: string[]): Promise<void>;
  api(method: string, path: string, body?: object): Promise<Response>;
  /** Resolves when a machine more than `seen` has been made ready in the pool; returns how many by then. */
  poolReady(seen: number): Promise<number>;
}

export async function startBenchDaemon(options: { poolSize: number }): Promise<BenchDaemon> {
  await mkdir(join(state, "bench"), { recursive: true });
  const home = await mkdtemp(join(state, "bench/run-"));
  const dataDir = join(home, "data");
  const key = await prepareData(dataDir);
  const config = join(home, "config.yaml");
  const server = [
    "listen: 127.0.0.1:0",
    `data_dir: ${dataDir}`,
    `kernel: ${join(state, "kernel")}`,
    `pool_size: ${options.poolSize}`,
    "on_shutdown: stop",
    "limits:",
    ...["create", "exec", "read"].flatMap((kind) => [
      `  ${kind}_per_minute: 1000000`,
      `  ${kind}_burst: 1000000`,
    ]),
  ];
  await writeFile(config, `${server.join("\n")}\n`);
  const log = join(home, "daemon.log");
  const env = { ...process.env, BHATTI_CONFIG: config, BHATTI_LOG_LEVEL: "debug" };
  const daemon = Bun.spawn([binary, "serve"], { env, stdout: "ignore", stderr: Bun.file(log) });
  const url = await waitFor("the daemon", () => readLog(log).match(/"url":"([^"]+)"/)?.[1]);
  await writeFile(config, `${server.join("\n")}\napi_url: ${url}\nauth_token: ${key}\n`);
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const run = async (stdin: BunFile | "ignore", args: string[]) => {
    const child = Bun.spawn([binary, ...args], { env, stdin, stdout: "ignore", stderr: "pipe" });
    const code = await child.exited;
    if (code === 0) return;
    const said = await new Response(child.stderr).text();
    throw new Error(`${args.join(" ")}: exit ${code}: ${said}`);
  };
  return {
    url,
    key,
    pid: daemon.pid,
    dataDir,
    env,
    cli: (...args) => run("ignore", args),
    cliFrom: (file, ...args) => run(Bun.file(file), args),
    api: (method, path, body) =>
      fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) }),
    poolReady: (seen) =>
      waitFor("the pool", () => {
        const ready = readLog(log).split('"pool VM ready"').length - 1;
        return ready > seen ? ready : undefined;
      }),
    async [Symbol.asyncDispose]() {
      daemon.kill("SIGTERM");
      await daemon.exited;
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The images are those of the clone's own data; a hard link costs nothing, and images never change. */
async function prepareData(dataDir: string): Promise<string> {
  using source = await openOperator(join(state, "data"));
  using target = await openOperator(dataDir, { create: true });
  for (const name of ["tiny", "minimal"]) {
    const image = source.images.list(null).find((candidate) => candidate.name === name);
    if (!image) throw new Error(`There is no image ${name}: run scripts/setup.sh first`);
    await mkdir(dirname(join(dataDir, image.path)), { recursive: true });
    await link(join(state, "data", image.path), join(dataDir, image.path));
    const { digest, path, sizeMB, source: from } = image;
    target.images.register({ name, digest, path: join(dataDir, path), sizeMB, source: from });
  }
  const limits = { maxSandboxes: 200, maxCpus: 2, maxMemoryMB: 4096 };
  return target.users.create({ name: "bench", ...limits }).key;
}

function readLog(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

async function waitFor<T>(what: string, probe: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 2400; tries += 1) {
    const found = probe();
    if (found !== undefined) return found;
    await Bun.sleep(25);
  }
  throw new Error(`Waited 60 s for ${what}`);
}
