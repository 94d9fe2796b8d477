import { expect, test } from "bun:test";
import { type ConfigSources, loadClientConfig, loadServerConfig } from "./load.ts";
import { defaultServerConfig } from "./schema.ts";

const system = "/etc/bhatti/config.yaml";
const deprecated = "/var/lib/bhatti/config.yaml";
const own = "/home/ann/.bhatti/config.yaml";

function sources(files: Record<string, string>, more: Partial<ConfigSources> = {}): ConfigSources {
  return { env: {}, home: "/home/ann", read: async (path) => files[path], ...more };
}

const client = async (files: Record<string, string>, more?: Partial<ConfigSources>) => {
  const { apiUrl, authToken } = await loadClientConfig(sources(files, more));
  return [apiUrl?.value, authToken?.value];
};

test("no file at all", async () => {
  expect(await client({})).toEqual([undefined, undefined]);
  expect(await loadServerConfig(sources({}))).toEqual(defaultServerConfig);
});

test("the person's file fills in what the system's leaves out", async () => {
  const files = { [system]: "api_url: http://s\n", [own]: "api_url: http://o\nauth_token: o\n" };
  expect(await client(files)).toEqual(["http://s", "o"]);
});

test("an empty value leaves it out", async () => {
  const files = {
    [system]: 'api_url: ""\nauth_token:\n',
    [own]: "api_url: http://o\nauth_token: o",
  };
  expect(await client(files)).toEqual(["http://o", "o"]);
});

test("the person's file gives the server nothing when there is a system's", async () => {
  const files = { [system]: "pool_size: 3\n", [own]: "data_dir: /mine\npool_size: 4\n" };
  const config = await loadServerConfig(sources(files));
  expect(config).toEqual({ ...defaultServerConfig, poolSize: 3 });
});

test("it is the base when there is no other", async () => {
  const config = await loadServerConfig(sources({ [own]: "data_dir: /mine\n" }));
  expect(config.dataDir).toBe("/mine");
});

test("the deprecated place still counts, with a warning", async () => {
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  const files = { [deprecated]: "api_url: http://d\n" };
  expect(await client(files, { onWarning })).toEqual(["http://d", undefined]);
  expect(warnings).toEqual([`${deprecated} is deprecated: move it to ${system}`]);
  warnings.length = 0;
  await client({ ...files, [system]: "" }, { onWarning });
  expect(warnings).toEqual([]);
});

test("BHATTI_CONFIG alone counts when it is set", async () => {
  const env = { BHATTI_CONFIG: "/named" };
  const files = { "/named": "auth_token: n\n", [system]: "api_url: http://s\n", [own]: "x: [\n" };
  expect(await client(files, { env })).toEqual([undefined, "n"]);
  await expect(client({}, { env })).rejects.toThrow(
    "BHATTI_CONFIG names /named, which does not exist",
  );
});

test("a client does not need a system file that it may not read, a server does", async () => {
  const read = async (path: string) => {
    if (path === system) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    return path === own ? "auth_token: o\n" : undefined;
  };
  expect(await client({}, { read })).toEqual([undefined, "o"]);
  await expect(loadServerConfig(sources({}, { read }))).rejects.toThrow(
    `cannot read ${system}: EACCES`,
  );
});

test("every key of the server reaches its place", async () => {
  const text = `
listen: 0.0.0.0:9000
data_dir: /d
engine: fake
accelerator: kvm
kernel: /k
default_image: tiny
pool_size: 0
ram_dir: /dev/shm
on_shutdown: stop
thermal:
  warm_after: 5m
  cold_after: never
network:
  mode: none
  supernet: 10.64.0.0/12
limits:
  create_per_minute: 1
  create_burst: 2
  exec_per_minute: 3
  exec_burst: 4
  read_per_minute: 5
  read_burst: 6
  json_body_bytes: 2048
  user_answer_bytes: 2097152
  answer_bytes: 4194304
  stalled_seconds: 20
`;
  expect(await loadServerConfig(sources({ [system]: text }))).toEqual({
    listen: "0.0.0.0:9000",
    dataDir: "/d",
    engine: "fake",
    accelerator: "kvm",
    kernel: "/k",
    defaultImage: "tiny",
    poolSize: 0,
    ramDir: "/dev/shm",
    onShutdown: "stop",
    thermal: { warmAfterSeconds: 300, coldAfterSeconds: 0 },
    network: { mode: "none", supernet: "10.64.0.0/12" },
    limits: {
      createPerMinute: 1,
      createBurst: 2,
      execPerMinute: 3,
      execBurst: 4,
      readPerMinute: 5,
      readBurst: 6,
      jsonBodyBytes: 2048,
      userAnswerBytes: 2_097_152,
      answerBytes: 4_194_304,
      stalledSeconds: 20,
    },
  });
});

test.each(["127.0.0.1:8080", ":8080", "localhost:0", "[::1]:80", "0.0.0.0:65535"])(
  "listen: %s",
  async (listen) => {
    const config = await loadServerConfig(sources({ [system]: `listen: "${listen}"\n` }));
    expect(config.listen).toBe(listen);
  },
);

test.each([
  "8080",
  "host",
  "host:",
  "host:x",
  "host:70000",
  "::1:80",
  "a b:80",
  "host:-1",
  "host: 1",
])("listen is refused: %s", async (listen) => {
  await expect(loadServerConfig(sources({ [system]: `listen: "${listen}"\n` }))).rejects.toThrow(
    `${system}:1: listen must be host:port`,
  );
});

test.each<[string, number]>([
  ["45", 45],
  ["0", 0],
  ['"90"', 90],
  ["1d", 86_400],
  ['""', 30],
])("thermal.warm_after: %s is %d seconds", async (written, seconds) => {
  const text = `thermal:\n  warm_after: ${written}\n`;
  const config = await loadServerConfig(sources({ [system]: text }));
  expect(config.thermal).toEqual({ warmAfterSeconds: seconds, coldAfterSeconds: 1800 });
});

test.each([
  ["1e400", "Infinity"],
  ["-.inf", "-Infinity"],
  [".nan", "NaN"],
  ["1.5", "1.5"],
])("limits.create_per_minute is refused as it is: %s", async (written, shown) => {
  const text = `limits:\n  create_per_minute: ${written}\n`;
  await expect(loadServerConfig(sources({ [system]: text }))).rejects.toThrow(
    `${system}:2: limits.create_per_minute must be a whole number, got ${shown}`,
  );
});

test.each(["soon", "1.5", "-1", "5 m", "true", "[]", "366d"])(
  "thermal.cold_after is refused: %s",
  async (written) => {
    const text = `# idle\nthermal:\n  warm_after: 1m\n  cold_after: ${written}\n`;
    await expect(loadServerConfig(sources({ [system]: text }))).rejects.toThrow(
      `${system}:4: thermal.cold_after must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, got `,
    );
  },
);
