/** Help, and what happens to words that make no sense. */
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

const edited = (problem: string) => `Error: ${problem}\nSee: bhatti edit --help\n`;

test.each<[string[], string]>([
  [["lst"], 'Error: unknown command "lst" for "bhatti"\nDid you mean: bhatti list\n'],
  [["crate"], 'Error: unknown command "crate" for "bhatti"\nDid you mean: bhatti create\n'],
  [["frobnicate"], 'Error: unknown command "frobnicate" for "bhatti"\nSee: bhatti --help\n'],
  [["user", "make"], 'Error: unknown command "make" for "bhatti user"\nSee: bhatti user --help\n'],
  [
    ["user", "crate"],
    'Error: unknown command "crate" for "bhatti user"\nDid you mean: bhatti user create\n',
  ],
  [["--jsn", "list"], 'Error: unknown flag "--jsn" for "bhatti"\nDid you mean: --json\n'],
  [["list", "-x"], 'Error: unknown flag "-x" for "bhatti list"\nSee: bhatti list --help\n'],
  [["list", "-o", "tall"], 'Error: --output must be one of wide, got "tall"\n'],
  [["list", "--url"], "Error: --url needs a value\n"],
  [["user", "create"], "Error: --name is required\n"],
  [["snapshot", "create", "dev"], "Error: --name is required\n"],
  [
    ["snapshot", "create", "dev", "--name", "x", "--type", "memory"],
    'Error: --type must be one of full, filesystem, got "memory"\n',
  ],
  [["edit", "dev"], edited("there is nothing to change: say what with a flag")],
  [
    ["edit", "dev", "--label", "", "--label-delete="],
    edited("there is nothing to change: say what with a flag"),
  ],
  [
    ["edit", "dev", "--keep-hot", "--allow-cold"],
    "Error: --keep-hot and --allow-cold exclude each other\n",
  ],
  [
    ["edit", "dev", "--idle-warm", "soon"],
    'Error: --idle-warm must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, or default, got "soon"\n',
  ],
  [
    ["create", "--idle-cold", "default"],
    'Error: --idle-cold must be a duration such as 30s, 5m, 2h or 1d, at most 365d, or never, got "default"\n',
  ],
  [["create", "--count", "2"], "Error: --count needs --from <sandbox> to copy\n"],
  [
    ["create", "--from", "dev", "--count", "65"],
    "Error: --count must be between 1 and 64 copies, got 65\n",
  ],
  ...["--cpus=2", "--memory=512", "--image=tiny", "--init=a", "--file=a:/b", "--env=A=1"].map(
    (flag): [string[], string] => [
      ["create", "--from", "dev", "--name", "x", "--label", "a=1", flag],
      `Error: ${flag.split("=")[0]} does not go with --from: a fork is as its source is\n`,
    ],
  ),
  [
    ["serve", "--on-shutdown", "kill"],
    'Error: --on-shutdown must be one of keep, stop, got "kill"\n',
  ],
])("bhatti %p", async (args, stderr) => {
  expect(await run(...args)).toMatchObject({ code: 1, stdout: "", stderr });
});

test.each<[string[], string]>([
  [["inspect"], "accepts 1 arg(s), received 0"],
  [["stop", "a", "b"], "accepts 1 arg(s), received 2"],
  [["snapshot", "restore", "ready"], "accepts 2 arg(s), received 1"],
  [["inspect", "a", "b"], "accepts 1 arg(s), received 2"],
  [["list", "x"], "accepts 0 arg(s), received 1"],
  [["exec"], "requires at least 2 arg(s), received 0"],
  [["exec", "dev"], "requires at least 2 arg(s), received 1"],
  [["exec", "dev", "--"], "requires at least 2 arg(s), received 1"],
  [["user", "delete", "-y"], "accepts 1 arg(s), received 0"],
])("bhatti %p prints its help and the count", async (args, message) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("Usage:\n  bhatti ");
  expect(stderr).toEndWith(`Error: ${message}\n`);
  const { stderr: json } = await run(...args.toSpliced(1, 0, "--json"));
  expect(JSON.parse(json)).toEqual({ error: message, code: "bad_usage" });
});

test.each<[string[], string]>([
  [["create", "foo"], "bhatti create --name foo"],
  [["snapshot", "create", "dev", "ready"], "bhatti snapshot create dev --name ready"],
])("bhatti %p: a name is a flag", async (args, meant) => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(1);
  expect(stderr).toEndWith(`Did you mean: ${meant}\n`);
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
