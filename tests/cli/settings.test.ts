/** Where address and key come from, and what a broken configuration gets. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinary, runBinary } from "../support/binary.ts";

let home = "";
beforeAll(async () => {
  await ensureBinary();
  home = mkdtempSync(join(tmpdir(), "bhatti-home-"));
  mkdirSync(join(home, ".bhatti"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Answers every key with its own name, so that a test sees which one was sent. */
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) =>
    Response.json(
      { error: request.headers.get("authorization") ?? "no key", code: "unauthorized" },
      { status: 401 },
    ),
});
afterAll(() => server.stop(true));
const url = `http://127.0.0.1:${server.port}`;

async function ask(args: string[], env: Record<string, string>, config?: string) {
  const path = join(home, "named.yaml");
  if (config !== undefined) writeFileSync(path, config);
  const named = config === undefined ? {} : { BHATTI_CONFIG: path };
  return await runBinary(["list", ...args], { env: { HOME: home, ...named, ...env } });
}

test.each<[string, string[], string, Record<string, string>, string]>([
  ["flag over all", ["--token", "F"], "auth_token: C", { BHATTI_TOKEN: "E" }, "Bearer F"],
  ["file over environment", [], "auth_token: C", { BHATTI_TOKEN: "E" }, "Bearer C"],
  ["environment when the file is silent", [], "", { BHATTI_TOKEN: "E" }, "Bearer E"],
  ["an empty value is silent", [], 'auth_token: ""', { BHATTI_TOKEN: "E" }, "Bearer E"],
  ["nothing", [], "", {}, "no key"],
])("key: %s", async (_name, args, config, env, sent) => {
  const { stderr } = await ask(args, { BHATTI_URL: url, ...env }, config);
  expect(stderr).toBe(`401 Unauthorized: ${sent}\nCheck the API key: bhatti setup\n`);
});

const tried = (address: string) =>
  `Error: cannot reach the daemon at ${address}: connection refused\nStart the daemon: bhatti serve\n`;

test.each<[string, string[], string, Record<string, string>, string]>([
  [
    "flag",
    ["--url", "http://127.0.0.1:1"],
    "api_url: http://127.0.0.1:2",
    {},
    "http://127.0.0.1:1",
  ],
  ["file", [], "api_url: http://127.0.0.1:2/", { BHATTI_URL: url }, "http://127.0.0.1:2"],
  ["environment", [], "", { BHATTI_URL: "http://127.0.0.1:3" }, "http://127.0.0.1:3"],
])("address: %s", async (_name, args, config, env, address) => {
  expect(await ask(args, env, config)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: tried(address),
  });
});

test("the person's own file, when BHATTI_CONFIG names none", async () => {
  writeFileSync(join(home, ".bhatti/config.yaml"), `api_url: ${url}\nauth_token: MINE\n`);
  const { stderr } = await ask([], {});
  expect(stderr).toStartWith("401 Unauthorized: Bearer MINE\n");
  const named = await ask([], { BHATTI_URL: url }, "");
  expect(named.stderr).toStartWith("401 Unauthorized: no key\n");
});

test.each<[string, string, string]>([
  ["unknown key", "listen: :80\n\napi_ulr: x\n", ":3: api_ulr is not a known key"],
  ["wrong type", "pool_size: many\n", ':1: pool_size must be a whole number, got "many"'],
  ["out of range", "# hm\npool_size: 65\n", ":2: pool_size must be between 0 and 64, got 65"],
  ["text", "listen: 8080\n", ":1: listen must be text, got 8080"],
  ["address", "listen: here\n", ':1: listen must be host:port such as 127.0.0.1:8080, got "here"'],
  [
    "address",
    'listen: "1:2:3"\n',
    ':1: listen must be host:port such as 127.0.0.1:8080, got "1:2:3"',
  ],
  ["choice", "engine: xen\n", ':1: engine must be one of qemu, fake, got "xen"'],
  ["path", "data_dir: data\n", ':1: data_dir must be an absolute path, got "data"'],
  [
    "url",
    "api_url: localhost:8080\n",
    ':1: api_url must be a URL that starts with http:// or https://, got "localhost:8080"',
  ],
  [
    "nested",
    "limits:\n  exec_burst: 0\n",
    ":2: limits.exec_burst must be between 1 and 1000000, got 0",
  ],
  [
    "duration",
    "thermal:\n  cold_after: 1h\n  warm_after: soon\n",
    ':3: thermal.warm_after must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, got "soon"',
  ],
  ["nested, unknown", "limits:\n  burst: 1\n", ":2: limits.burst is not a known key"],
  ["group", "limits: 3\n", ":1: limits is not a known key"],
  ["twice", "listen: :80\n# hm\n'listen' : :81\n", ":3: listen is a duplicate key"],
  [
    "nested, twice",
    "limits:\n  exec_burst: 1\n\n  exec_burst: 2\n",
    ":4: limits.exec_burst is a duplicate key",
  ],
  ["group, twice", "limits:\n  a: 1\nlimits:\n", ":3: limits is a duplicate key"],
  ["list", "- a\n", ':1: must be a list of "key: value" lines'],
  ["syntax", "api_url: http://x\n\tlisten: 1\n", ":2: not YAML: "],
])("a file with a fault: %s", async (_name, config, message) => {
  const { code, stderr } = await ask([], {}, config);
  expect(code).toBe(1);
  expect(stderr).toStartWith(`Error: ${join(home, "named.yaml")}${message}`);
});

test("a file that BHATTI_CONFIG names must be there", async () => {
  expect(await ask([], { BHATTI_CONFIG: "/nonexistent.yaml" })).toMatchObject({
    code: 1,
    stderr: "Error: BHATTI_CONFIG names /nonexistent.yaml, which does not exist\n",
  });
});

test.each(["list", "serve", "user list"])("a file that is a FIFO, for %s", async (words) => {
  const path = join(home, "fifo");
  await Bun.$`test -p ${path} || mkfifo ${path}`;
  const env = { HOME: home, BHATTI_CONFIG: path };
  const { code, stderr } = await runBinary(words.split(" "), { env });
  expect(code).toBe(1);
  expect(stderr).toEndWith(` ${path}: it must be a regular file\n`);
});

test("the configuration /dev/null is none", async () => {
  const { stderr } = await ask([], { BHATTI_CONFIG: "/dev/null", BHATTI_URL: url });
  expect(stderr).toStartWith("401 Unauthorized: no key\n");
});

test.each(["localhost:8080", "ftp://x", "nonsense"])("--url %s", async (bad) => {
  const { code, stderr } = await ask(["--url", bad], {}, "");
  expect(code).toBe(1);
  expect(stderr).toStartWith("Error: --url must be a URL that starts with http:// or https://");
});
