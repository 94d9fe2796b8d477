/** The compiled binary as a daemon on the fake engine, with a user, an image and a home of its own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOperator } from "../../src/operator/operator.ts";
import {
  binary,
  ensureBinary,
  type Outcome,
  type RunOptions,
  runBinary,
  runProcess,
} from "./binary.ts";

export interface CliDaemon extends AsyncDisposable {
  url: string;
  key: string;
  /** Empty at first. */
  home: string;
  dataDir: string;
  /** What a client of it needs. */
  env: Record<string, string>;
  run(args: string[], options?: RunOptions): Promise<Outcome>;
  /** Its output; throws with everything it said when it fails. */
  ok(...args: string[]): Promise<string>;
  /** Runs a bash script, in which `$B` is the binary. */
  shell(script: string, cwd: string): Promise<Omit<Outcome, "bytes">>;
  destroyAll(): Promise<void>;
  /** Ends the daemon in good order and returns its exit code and log. */
  stop(
    signal?: "SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGKILL",
  ): Promise<{ code: number; log: string }>;
}

const generousLimits = Object.fromEntries(
  ["create", "exec", "read"].flatMap((kind) => [
    [`${kind}_per_minute`, 1_000_000],
    [`${kind}_burst`, 100_000],
  ]),
);

export async function startCliDaemon(
  config: string[] = [],
  limits: Record<string, number> = {},
  flags: string[] = [],
): Promise<CliDaemon> {
  await ensureBinary();
  const home = mkdtempSync(join(tmpdir(), "bhatti-cli-"));
  const dataDir = join(home, "data");
  const key = await prepareData(dataDir);
  const configPath = join(home, "daemon.yaml");
  const lines = ["engine: fake", "listen: 127.0.0.1:0", `data_dir: ${dataDir}`, ...config];
  const limitLines = Object.entries({ ...generousLimits, ...limits }).map(
    ([key, value]) => `  ${key}: ${value}`,
  );
  writeFileSync(configPath, [...lines, "limits:", ...limitLines, ""].join("\n"));
  const child = Bun.spawn([binary, "serve", ...flags], {
    env: { PATH: process.env["PATH"], HOME: home, BHATTI_CONFIG: configPath },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = followLog(child.stderr);
  const url = await log.listening;
  // Without a file of its own, the client would read the machine's.
  const clientConfig = join(home, "client.yaml");
  writeFileSync(clientConfig, "");
  const env = {
    HOME: home,
    BHATTI_CONFIG: clientConfig,
    BHATTI_URL: url,
    BHATTI_TOKEN: key,
  };
  const run = (args: string[], options: RunOptions = {}) =>
    runBinary(args, { ...options, env: { ...env, ...options.env } });
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args);
    if (code !== 0) throw new Error(`bhatti ${args.join(" ")}: exit ${code}\n${stderr}`);
    return stdout;
  };
  const stop: CliDaemon["stop"] = async (signal = "SIGTERM") => {
    child.kill(signal);
    return { code: await child.exited, log: await log.ended };
  };
  return {
    url,
    key,
    home,
    dataDir,
    env,
    run,
    ok,
    async shell(script, cwd) {
      const options = { cwd, env: { ...env, B: binary } };
      const { bytes: _, ...outcome } = await runProcess(["bash", "-c", script], options);
      return outcome;
    },
    async destroyAll() {
      for (const { name } of JSON.parse(await ok("list", "--json")))
        await ok("destroy", name, "-y");
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function prepareData(dataDir: string): Promise<string> {
  using operator = await openOperator(dataDir, { create: true });
  const path = join(dataDir, "images/minimal.ext4");
  mkdirSync(join(dataDir, "images"), { recursive: true });
  writeFileSync(path, "");
  const image = { name: "minimal", digest: "sha256:0", path, sizeMB: 300, source: "test" };
  operator.images.register(image);
  const limits = { maxSandboxes: 40, maxCpus: 4, maxMemoryMB: 4096 };
  return operator.users.create({ name: "ada", ...limits }).key;
}

/** Reads the log to its end, and finds in it where the daemon listens. */
function followLog(stream: ReadableStream<Uint8Array>) {
  const listening = Promise.withResolvers<string>();
  const read = async () => {
    let log = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      log += decoder.decode(chunk, { stream: true });
      const url = /"msg":"listening","url":"([^"]+)"/.exec(log)?.[1];
      if (url) listening.resolve(url);
    }
    listening.reject(new Error(`the daemon ended before it listened: ${log}`));
    return log;
  };
  return { listening: listening.promise, ended: read() };
}
