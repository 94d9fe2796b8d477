/** user, image, setup and serve: what an operator does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runBinary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const local = (...args: string[]) => daemon.run(["--data-dir", daemon.dataDir, ...args]);
const keyIn = (text: string) => /bht_[0-9a-f]{64}/.exec(text)?.[0] ?? "";
const listWith = (key: string) => daemon.run(["list", "--token", key]);

test("user create prints the key, once", async () => {
  const { code, stdout, stderr } = await local(
    "user",
    "create",
    "--name",
    "bob",
    "--max-cpus",
    "2",
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(
    /^user\/bob created\n {2}ID: usr_[0-9a-f]{8}\n {2}Limits: 5 sandboxes, 2 vCPU and 4096 MB each\n {2}API key: bht_[0-9a-f]{64} {2}\(shown once\)\n$/,
  );
  expect((await listWith(keyIn(stdout))).code).toBe(0);
  expect(await local("user", "create", "--name", "bob")).toMatchObject({
    code: 1,
    stderr:
      'Error: User "bob" already exists\nChoose another name, or rotate its key: bhatti user rotate-key bob\n',
  });
  const users = await local("user", "list");
  expect(users.stdout).toMatch(/^ID +NAME +SANDBOXES +CPUS +MEM +ROLE\n/);
  expect(users.stdout).toMatch(/ bob +0\/5 +2 +4096MB +user\n/);
});

test("user create --max-snapshots, which JSON shows", async () => {
  const create = (name: string, ...flags: string[]) =>
    local("user", "create", "--name", name, "--json", ...flags);
  expect(JSON.parse((await create("zoe", "--max-snapshots", "9")).stdout).max_snapshots).toBe(9);
  expect(JSON.parse((await create("max")).stdout).max_snapshots).toBe(5);
  const users = JSON.parse((await local("user", "list", "--json")).stdout);
  expect(users).toContainEqual(expect.objectContaining({ name: "zoe", max_snapshots: 9 }));
});

test("rotate-key refuses the old key at once", async () => {
  const { stdout } = await local("user", "create", "--name", "eve", "--role", "admin", "--json");
  const { api_key: first, role } = JSON.parse(stdout);
  expect(role).toBe("admin");
  const second = keyIn((await local("user", "rotate-key", "eve")).stdout);
  expect((await listWith(first)).stderr).toStartWith("401 Unauthorized");
  expect((await listWith(second)).code).toBe(0);
});

test("rotate-key ends the commands that run with the old key", async () => {
  const old = keyIn((await local("user", "create", "--name", "ann")).stdout);
  const withOld = (...args: string[]) => daemon.run([...args, "--token", old]);
  await withOld("create", "--name", "dev");
  const { session_id } = JSON.parse(
    (await withOld("exec", "dev", "--detach", "--json", "sleep", "600")).stdout,
  );
  const running = [
    withOld("exec", "dev", "sleep", "600"),
    withOld("logs", "-f", "dev", session_id),
  ];
  await until("both run", async () => {
    const { stdout } = await withOld("inspect", "dev", "--json");
    const { reason } = JSON.parse(stdout).activity;
    return reason.includes("exec") && reason.includes("logs");
  });
  await local("user", "rotate-key", "ann");
  for (const outcome of await Promise.all(running)) {
    expect(outcome).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("401 Unauthorized: the API key was rotated or deleted\n"),
    });
  }
});

test("user delete", async () => {
  const key = keyIn((await local("user", "create", "--name", "tom")).stdout);
  await daemon.run(["create", "--name", "toms", "--token", key]);
  expect(await local("user", "delete", "tom", "-y")).toMatchObject({
    code: 1,
    stderr:
      'Error: User "tom" still has 1 sandbox\nDestroy the user\'s sandboxes and snapshots first\n',
  });
  await daemon.run(["destroy", "toms", "-y", "--token", key]);
  expect(await local("user", "delete", "tom")).toMatchObject({ code: 1 });
  expect(await local("user", "delete", "tom", "-y")).toMatchObject({
    code: 0,
    stdout: "user/tom deleted\n",
  });
  expect((await listWith(key)).stderr).toStartWith("401 Unauthorized");
  expect(await local("user", "delete", "tom", "-y")).toMatchObject({
    code: 1,
    stderr: 'Error: User "tom" not found\nCheck user name: bhatti user list\n',
  });
});

test.each([["user"], ["image"]])("%s list where no data directory is", async (noun) => {
  const { code, stderr } = await daemon.run([noun, "list", "--data-dir", "/nonexistent"]);
  expect(code).toBe(1);
  expect(stderr).toBe(
    "Error: No readable bhatti database in /nonexistent; this command must run on the daemon's host\n" +
      "Name the data directory with --data-dir, or create a database: bhatti user create --name <name>\n",
  );
});

test("image list lists the user's images over the API, and the operator's with --data-dir", async () => {
  for (const list of [daemon.run, (args: string[]) => local(...args)]) {
    const { stdout } = await list(["image", "list"]);
    expect(stdout).toMatch(
      /^ID +NAME +SOURCE +SIZE +SCOPE\nimg_\w+ +minimal +test +300MB +admin\n$/,
    );
    expect(JSON.parse((await list(["image", "ls", "--json"])).stdout)).toMatchObject([
      { name: "minimal", size_mb: 300, user_id: "" },
    ]);
  }
});

test("image build of what is no recipe", async () => {
  const { code, stderr } = await local("image", "build", "/nonexistent.sh");
  expect(code).toBe(1);
  expect(stderr).toContain("/nonexistent.sh");
});

test("setup keeps what works, for its owner alone", async () => {
  const home = join(daemon.home, "newcomer");
  mkdirSync(home);
  const path = join(home, ".bhatti/config.yaml");
  const args = ["setup", "--url", `${daemon.url}/`, "--token", daemon.key];
  expect(await runBinary(args, { env: { HOME: home } })).toMatchObject({
    code: 0,
    stderr: "",
    stdout: `Connected to ${daemon.url}\nSaved in ${path}\n`,
  });
  expect(readFileSync(path, "utf8")).toBe(`api_url: ${daemon.url}\nauth_token: ${daemon.key}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(home, ".bhatti")).mode & 0o777).toBe(0o700);
  expect(await runBinary(["list"], { env: { HOME: home } })).toMatchObject({ code: 0 });
});

test("setup leaves the other keys of a file alone", async () => {
  const path = join(daemon.home, "kept.yaml");
  writeFileSync(path, "# mine\npool_size: 3\nauth_token: old");
  const env = { HOME: daemon.home, BHATTI_CONFIG: path };
  await runBinary(["setup", "--url", daemon.url, "--token", daemon.key], { env });
  expect(readFileSync(path, "utf8")).toBe(
    `# mine\npool_size: 3\nauth_token: ${daemon.key}\napi_url: ${daemon.url}\n`,
  );
});

test("setup leaves a file with an unknown key unchanged, and fails", async () => {
  const path = join(daemon.home, "faulty.yaml");
  const text = "auth_token: old\nkeep: me\n";
  writeFileSync(path, text);
  const env = { HOME: daemon.home, BHATTI_CONFIG: path };
  expect(
    await runBinary(["setup", "--url", daemon.url, "--token", daemon.key], { env }),
  ).toMatchObject({ code: 1, stdout: "", stderr: `Error: ${path}:2: keep is not a known key\n` });
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("setup replaces nothing but files", async () => {
  const path = join(daemon.home, "fifo");
  await Bun.$`mkfifo ${path}`;
  const env = { HOME: daemon.home, BHATTI_CONFIG: path };
  expect(
    await runBinary(["setup", "--url", daemon.url, "--token", daemon.key], { env }),
  ).toMatchObject({
    code: 1,
    stderr: `Error: cannot write ${path}: it must be a regular file\n`,
  });
  expect(statSync(path).isFIFO()).toBe(true);
});

test("setup writes through a link to a file, and refuses one that leads nowhere", async () => {
  const [link, target] = [join(daemon.home, "link.yaml"), join(daemon.home, "target.yaml")];
  symlinkSync("target.yaml", link);
  const env = { HOME: daemon.home, BHATTI_CONFIG: link };
  const args = ["setup", "--url", daemon.url, "--token", daemon.key];
  expect(await runBinary(args, { env })).toMatchObject({
    code: 1,
    stderr: `Error: cannot write ${link}: it is a dangling symbolic link\n`,
  });
  writeFileSync(target, "");
  expect(await runBinary(args, { env })).toMatchObject({ code: 0 });
  expect(readlinkSync(link)).toBe("target.yaml");
  expect(readFileSync(target, "utf8")).toContain(daemon.key);
});

test("setup keeps nothing that does not work", async () => {
  const home = join(daemon.home, "stranger");
  mkdirSync(home);
  const wrong = ["setup", "--url", daemon.url, "--token", "bht_wrong"];
  expect(await runBinary(wrong, { env: { HOME: home } })).toMatchObject({
    code: 1,
    stderr: "401 Unauthorized: invalid api key\nCheck the API key: bhatti setup\n",
  });
  const nobody = ["setup", "--url", "http://127.0.0.1:1", "--token", "bht_x"];
  expect((await runBinary(nobody, { env: { HOME: home } })).code).toBe(1);
  expect(existsSync(join(home, ".bhatti"))).toBe(false);
});

test("setup without anybody to ask", async () => {
  expect(await runBinary(["setup"], { env: { HOME: daemon.home } })).toMatchObject({
    code: 1,
    stderr: "Error: setup requires --url and --token if stdin is not a terminal\n",
  });
});

test.each(["SIGTERM", "SIGINT"] as const)("serve ends well on %s", async (signal) => {
  await using own = await startCliDaemon();
  await own.ok("create", "--name", "dev");
  const { code, log } = await own.stop(signal);
  expect(code).toBe(0);
  expect(log).toContain('"msg":"stopped"');
});

test.each(["keep", "stop"])(
  "SIGQUIT has serve suspend all, on_shutdown: %s",
  async (configured) => {
    await using own = await startCliDaemon([`on_shutdown: ${configured}`]);
    await own.ok("create", "--name", "dev");
    const { code, log } = await own.stop("SIGQUIT");
    expect(code).toBe(0);
    expect(log).toMatch(/"msg":"sandbox suspended","sandbox":"[^"]+","name":"dev"/);
    expect(log).toContain('"machines":"stop"');
  },
);

test.each<[string, Record<string, string>, string, string]>([
  [
    "log level",
    { BHATTI_LOG_LEVEL: "loud" },
    "",
    "BHATTI_LOG_LEVEL must be one of debug, info, warn, error",
  ],
  ["config", {}, "engine: xen\n", "engine must be one of qemu, fake"],
  [
    "data directory",
    {},
    "engine: fake\ndata_dir: /proc/x\n",
    "Cannot prepare the data directory /proc/x",
  ],
])("serve refuses a wrong %s", async (_name, env, config, message) => {
  const path = join(daemon.home, "bad.yaml");
  writeFileSync(path, config);
  const { code, stdout, stderr } = await runBinary(["serve"], {
    env: { HOME: daemon.home, BHATTI_CONFIG: path, ...env },
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(message);
  expect(stderr).toStartWith("Error: ");
});

test("serve refuses a data directory that has a daemon, and a port that is taken", async () => {
  const path = join(daemon.home, "second.yaml");
  const port = new URL(daemon.url).port;
  const start = (dataDir: string) => {
    writeFileSync(path, `engine: fake\nlisten: 127.0.0.1:${port}\ndata_dir: ${dataDir}\n`);
    return runBinary(["serve"], { env: { HOME: daemon.home, BHATTI_CONFIG: path } });
  };
  const same = await start(daemon.dataDir);
  expect(same.code).toBe(1);
  expect(same.stderr).toContain(daemon.dataDir);
  const other = await start(join(daemon.home, "other"));
  expect(other.code).toBe(1);
  expect(other.stderr).toContain(port);
});
