/** Help, and usage errors. */
import { beforeAll, expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { ensureBinary, runBinary } from "../support/binary.ts";

beforeAll(ensureBinary);

const nowhere = {
  HOME: "/nonexistent",
  BHATTI_URL: "http://127.0.0.1:1",
  BHATTI_CONFIG: "/dev/null",
};
const run = (...args: string[]) => runBinary(args, { env: nowhere });

const commands = [
  ["create"],
  ["edit"],
  ["list"],
  ["ls"],
  ["exec"],
  ["destroy"],
  ["rm"],
  ["stop"],
  ["start"],
  ["snapshot"],
  ["snapshot", "create"],
  ["snapshot", "list"],
  ["snapshot", "ls"],
  ["snapshot", "resume"],
  ["snapshot", "restore"],
  ["snapshot", "delete"],
  ["snapshot", "rm"],
  ["file"],
  ...["read", "write", "ls", "stat", "mkdir", "rm", "mv", "cp", "push", "pull", "watch"].map(
    (verb) => ["file", verb],
  ),
  ["image"],
  ["image", "build"],
  ["image", "list"],
  ["setup"],
  ["user"],
  ["user", "create"],
  ["user", "list"],
  ["user", "rotate-key"],
  ["user", "delete"],
  ["serve"],
  ["inspect"],
  ["info"],
  ["version"],
];

test.each(commands)("help of %s %s", async (...words) => {
  const path = words.filter((word) => word !== undefined);
  const before = await run("-h", ...path);
  expect(before).toMatchObject({ code: 0, stderr: "" });
  expect(before.stdout).toContain("Usage:\n  bhatti ");
  expect(before.stdout).toContain("--json");
  for (const args of [
    [...path, "--help"],
    ["help", ...path],
    ["--json", ...path, "-h"],
  ]) {
    expect(await run(...args)).toMatchObject({ code: 0, stdout: before.stdout });
  }
});

test.each([[[]], [["--help"]], [["help"]]])(
  "bhatti %p lists the commands in groups",
  async (args) => {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.split("\n");
    for (const group of ["Core:", "Resources:", "Setup & Admin:", "Global flags:"]) {
      expect(lines).toContain(group);
    }
    expect(stdout).toMatch(/^ {2}list, ls {2,}List sandboxes$/m);
  },
);

test.each([["user"], ["image"], ["snapshot"], ["file"]])(
  "bare %s prints its help",
  async (group) => {
    const { code, stdout } = await run(group);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage:\n  bhatti ${group} <command> [flags]`);
  },
);

const usage = {
  list: "Usage: bhatti list [flags]",
  create: "Usage: bhatti create [flags]",
  edit: "Usage: bhatti edit <sandbox> [flags]",
};

test.each<[string[], string]>([
  [
    ["lst"],
    'unknown command "lst" for "bhatti"\nUsage: bhatti <command> [flags]\nDid you mean: bhatti list',
  ],
  [
    ["crate"],
    'unknown command "crate" for "bhatti"\nUsage: bhatti <command> [flags]\nDid you mean: bhatti create',
  ],
  [
    ["frobnicate"],
    'unknown command "frobnicate" for "bhatti"\nUsage: bhatti <command> [flags]\nSee: bhatti --help',
  ],
  [
    ["user", "make"],
    'unknown command "make" for "bhatti user"\nUsage: bhatti user <command> [flags]\nSee: bhatti user --help',
  ],
  [
    ["user", "crate"],
    'unknown command "crate" for "bhatti user"\nUsage: bhatti user <command> [flags]\nDid you mean: bhatti user create',
  ],
  [
    ["--jsn", "list"],
    'unknown flag "--jsn" for "bhatti"\nUsage: bhatti <command> [flags]\nDid you mean: --json',
  ],
  [["list", "-x"], `unknown flag "-x" for "bhatti list"\n${usage.list}\nSee: bhatti list --help`],
  [
    ["list", "--labl=a=1"],
    `unknown flag "--labl=a=1" for "bhatti list"\n${usage.list}\nDid you mean: --label`,
  ],
  [
    ["list", "-o", "tall"],
    `--output must be one of wide, got "tall"\n${usage.list}\nFor JSON, use --json`,
  ],
  [["list", "--url"], `--url needs a value\n${usage.list}\nSee: bhatti list --help`],
  [
    ["list", "--json=maybe"],
    `--json must be true or false, got "maybe"\n${usage.list}\nSee: bhatti list --help`,
  ],
  [
    ["list", "x"],
    `unexpected argument "x": accepts 0 arg(s), received 1\n${usage.list}\nSee: bhatti list --help`,
  ],
  [
    ["user", "create"],
    "--name is required\nUsage: bhatti user create [flags]\nSee: bhatti user create --help",
  ],
  [
    ["user", "delete", "-y"],
    "missing argument <name>: accepts 1 arg(s), received 0\nUsage: bhatti user delete <name> [flags]\nSee: bhatti user delete --help",
  ],
  [
    ["snapshot", "create", "dev", "ready"],
    'unexpected argument "ready": accepts 1 arg(s), received 2\nUsage: bhatti snapshot create <sandbox> [flags]\nDid you mean: bhatti snapshot create dev --name ready',
  ],
  [
    ["create", "foo"],
    `unexpected argument "foo": accepts 0 arg(s), received 1\n${usage.create}\nDid you mean: bhatti create --name foo`,
  ],
  [
    ["exec", "dev"],
    "missing argument <command>: requires at least 2 arg(s), received 1\nUsage: bhatti exec [flags] <sandbox> [--] <command...>\nSee: bhatti exec --help",
  ],
  [
    ["exec", "dev", "ls", "-la"],
    'unknown flag "-la" for "bhatti exec"\nUsage: bhatti exec [flags] <sandbox> [--] <command...>\nFor a flag of the command, put -- before it: bhatti exec dev -- <command...>',
  ],
  [
    ["exec", "dev", "-dt", "--", "top"],
    "--detach and --tty cannot be used together\nUsage: bhatti exec [flags] <sandbox> [--] <command...>\nSee: bhatti exec --help",
  ],
  [
    ["edit", "dev"],
    `requires at least one flag that changes the sandbox\n${usage.edit}\nSee: bhatti edit --help`,
  ],
])("bhatti %p prints the error, the usage line and a hint, nothing else", async (args, text) => {
  expect(await run(...args)).toMatchObject({ code: 1, stdout: "", stderr: `Error: ${text}\n` });
});

test.each<[string[], string]>([
  [["top"], "Use: bhatti list, or bhatti inspect <sandbox>"],
  [["delete", "dev"], "Use: bhatti destroy <sandbox>"],
  [["restart", "dev"], "Use: bhatti stop <sandbox>, then bhatti start <sandbox>"],
  [["port-forward", "dev", "80"], "bhatti forward is planned for version 0.2.0"],
  [["file", "cat", "dev", "a"], "Use: bhatti file read <sandbox> <path>"],
  [["m"], "See: bhatti --help"],
  [["des"], "See: bhatti --help"],
  [["destory", "dev"], "Did you mean: bhatti destroy"],
  [["rm", "dev", "-f"], "To skip the confirmation, use -y"],
  [["rm", "dev", "--force"], "To skip the confirmation, use -y"],
  [["inspect", "dev", "-ojson"], "For JSON, use --json"],
  [["list", "-o", "json"], "For JSON, use --json"],
  [["ls", "-aq"], "bhatti list shows all sandboxes, also stopped ones"],
  [
    ["edit", "dev", "--cpus=2"],
    "It cannot be changed; create another sandbox: bhatti create --help",
  ],
])("bhatti %p, a habit of other tools, gets a hint", async (args, hint) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr.trimEnd().split("\n").at(-1)).toBe(hint);
});

test.each<[string[], string]>([
  [["snapshot", "create", "dev"], "--name is required"],
  [
    ["edit", "dev", "--label", "", "--label-delete="],
    "requires at least one flag that changes the sandbox",
  ],
  [
    ["edit", "dev", "--keep-hot", "--allow-cold"],
    "--keep-hot and --allow-cold cannot be used together",
  ],
  [
    ["edit", "dev", "--idle-warm", "soon"],
    '--idle-warm must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, or default, got "soon"',
  ],
  [
    ["create", "--idle-cold", "default"],
    '--idle-cold must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, got "default"',
  ],
  [["create", "--count", "2"], "--count requires --from"],
  [["create", "--from", "dev", "--count", "65"], "--count must be between 1 and 64 copies, got 65"],
  ...["--cpus=2", "--memory=512", "--image=tiny", "--init=a", "--file=a:/b", "--env=A=1"].map(
    (flag): [string[], string] => [
      ["create", "--from", "dev", "--name", "x", "--label", "a=1", flag],
      `${flag.split("=")[0]} cannot be used with --from: a fork has its source's hardware, image and environment`,
    ],
  ),
  [["serve", "--on-shutdown", "kill"], '--on-shutdown must be one of keep, stop, got "kill"'],
  [
    ["logs", "dev", "init", "--json"],
    "--json cannot be used with bhatti logs, which prints raw bytes",
  ],
  [["inspect"], "missing argument <sandbox>: requires at least 1 arg(s), received 0"],
  [["ps"], "missing argument <sandbox>: accepts 1 arg(s), received 0"],
  [["snapshot", "restore", "ready"], "missing argument <sandbox>: accepts 2 arg(s), received 1"],
  [["ps", "a", "b"], 'unexpected argument "b": accepts 1 arg(s), received 2'],
  [["exec"], "missing argument <sandbox> <command>: requires at least 2 arg(s), received 0"],
  [["exec", "dev", "--"], "missing argument <command>: requires at least 2 arg(s), received 1"],
])("bhatti %p is a usage error", async (args, message) => {
  const { code, stdout, stderr } = await run("--json", ...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(JSON.parse(stderr)).toEqual({
    error: message,
    code: "bad_usage",
    hint: expect.stringMatching(/^See: bhatti .* --help$/),
  });
});

test.each([["version"], ["--version"]])("%s works without a daemon", async (word) => {
  expect(await run(word)).toEqual({
    code: 0,
    stderr: "",
    stdout: `bhatti v${manifest.version}\napi: http://127.0.0.1:1\n`,
    bytes: expect.anything(),
  });
  expect(JSON.parse((await run("version", "--json")).stdout)).toEqual({
    version: manifest.version,
    api: "http://127.0.0.1:1",
  });
});

test("a folder's .env and bunfig change nothing", async () => {
  const { mkdtempSync, writeFileSync, rmSync } = await import("node:fs");
  const cwd = mkdtempSync("/tmp/bhatti-cwd-");
  writeFileSync(`${cwd}/.env`, "BHATTI_URL=http://evil.invalid\n");
  writeFileSync(`${cwd}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
  writeFileSync(`${cwd}/evil.ts`, 'console.log("evil")\n');
  const { stdout } = await runBinary(["version"], { cwd, env: { BHATTI_CONFIG: "/dev/null" } });
  rmSync(cwd, { recursive: true });
  expect(stdout).toStartWith(`bhatti v${manifest.version}\napi: http://localhost:8080\n`);
});
