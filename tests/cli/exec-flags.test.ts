/** The flags of exec. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  await daemon.ok("exec", "dev", "mkdir", "sub");
});
afterAll(() => daemon[Symbol.asyncDispose]());

test.each([
  ["unknown", ["ls", "-la"]],
  ["misplaced", ["grep", "-i", "x"]],
  ["misplaced", ["head", "-n", "5"]],
])("a command with flags of its own needs --: a flag is %s in %p", async (problem, words) => {
  expect(await daemon.run(["exec", "dev", ...words])).toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      `Error: ${problem} flag "${words[1]}" for "bhatti exec"\n` +
      "Usage: bhatti exec [flags] <sandbox> [--] <command...>\n" +
      "For a flag of the command, put -- before it: bhatti exec dev -- <command...>\n",
  });
});

test.each([
  [["-x", "dev", "ls"], "See: bhatti exec --help"],
  [["dev", "--detatch", "ls"], "Did you mean: --detach"],
])("a flag before the command is not the command's: exec %p", async (words, hint) => {
  expect((await daemon.run(["exec", ...words])).stderr).toEndWith(`\n${hint}\n`);
});

test.each(["-it dev stty size", "-i -t dev stty size", "-it dev -- stty size"])(
  "as docker and kubectl have it: exec %s",
  async (words) => {
    const outcome = await daemon.run(["exec", ...words.split(" ")]);
    expect(outcome).toMatchObject({ code: 0, stdout: "24 80\r\n" });
  },
);

test.each<[string[], string]>([
  [["-i", "dev", "cat"], "in"],
  [["-u", "root", "dev", "whoami"], "root\n"],
  [["-w", "/tmp", "dev", "pwd"], "/tmp\n"],
  [["-e", "A=1", "-e", "B=2", "dev", "--", "sh", "-c", "echo $A $B"], "1 2\n"],
  [["--timeout", "5m", "dev", "echo", "x"], "x\n"],
  [["-w", "sub", "dev", "pwd"], "/workspace/sub\n"],
  [["-e", "HERE", "-e", "UNSET", "dev", "--", "sh", "-c", "echo $HERE-$UNSET-"], "local--\n"],
  [["-ie", "A=1", "-w/tmp", "dev", "--", "sh", "-c", "echo $A; pwd"], "1\n/tmp\n"],
])("as docker and kubectl have it: exec %p", async (args, stdout) => {
  const env = { HERE: "local" };
  const outcome = await daemon.run(["exec", ...args], { stdin: "in", env });
  expect(outcome).toMatchObject({ code: 0, stdout });
});

test.each(["0", "-1", "86401", "1.5", "soon", "25h", "never", "5w"])(
  "--timeout %s is refused before anything is sent",
  async (seconds) => {
    const { code, stderr } = await daemon.run(["exec", "nope", "--timeout", seconds, "true"]);
    expect(code).toBe(1);
    expect(stderr).toStartWith(
      `Error: --timeout must be 1 to 86400 seconds, as a number or such as 90s, 5m or 2h, got "${seconds}"\n`,
    );
  },
);

test.each<[string, Record<string, string>, string[], number]>([
  ["the flag", {}, ["--error-exit-code", "125", "nope", "true"], 125],
  ["the flag with =", {}, ["nope", "--error-exit-code=255", "--", "true"], 255],
  ["the variable", { BHATTI_ERROR_EXIT_CODE: "125" }, ["nope", "true"], 125],
  [
    "the flag over the variable",
    { BHATTI_ERROR_EXIT_CODE: "3" },
    ["--error-exit-code", "4", "nope", "true"],
    4,
  ],
  ["a usage error", {}, ["dev", "--error-exit-code", "125", "--bogus", "true"], 125],
  ["neither", {}, ["nope", "true"], 1],
  [
    "the command's own code",
    {},
    ["--error-exit-code", "125", "dev", "--", "sh", "-c", "exit 7"],
    7,
  ],
  ["words of the command", {}, ["nope", "--", "--error-exit-code", "9"], 1],
])("a failure of bhatti itself: %s", async (_, env, words, code) => {
  expect(await daemon.run(["exec", ...words], { env })).toMatchObject({ code });
});

test("an unreachable daemon is a failure of bhatti itself", async () => {
  const env = { BHATTI_URL: "http://127.0.0.1:1", BHATTI_ERROR_EXIT_CODE: "125" };
  expect(await daemon.run(["exec", "dev", "true"], { env })).toMatchObject({ code: 125 });
  expect(await daemon.run(["list"], { env })).toMatchObject({ code: 1 });
});

test.each(["0", "256", "x", ""])("--error-exit-code %j is refused", async (code) => {
  const outcome = await daemon.run(["exec", "--error-exit-code", code, "dev", "true"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toStartWith("Error: --error-exit-code must be ");
  const env = { BHATTI_ERROR_EXIT_CODE: code };
  const variable = await daemon.run(["exec", "dev", "true"], { env });
  expect(variable.stderr).toStartWith(
    code && `Error: BHATTI_ERROR_EXIT_CODE must be between 1 and 255, got "${code}"\n`,
  );
});

test.each<[string[], string]>([
  [["echo hi && ls"], "For shell syntax, use: bhatti exec dev -- sh -c '...'\n"],
  [["no-such-program"], ""],
  [["sh", "-c", "no-such-program"], ""],
])("exec of %p that is not found hints at sh only for a line of shell", async (words, hint) => {
  const { code, stderr } = await daemon.run(["exec", "dev", "--", ...words]);
  expect(code).toBe(127);
  expect(stderr.split("\n").slice(1).join("\n")).toBe(hint);
});

test("exec --detach of a program that is not found fails as exec does", async () => {
  const args = ["exec", "dev", "-d", "--", "no-such-program"];
  expect(await daemon.run(args)).toMatchObject({
    code: 127,
    stdout: "",
    stderr: "bhatti: no-such-program: not found\n",
  });
  const { code, stdout } = await daemon.run(["--json", ...args]);
  expect(code).toBe(127);
  expect(JSON.parse(stdout)).toMatchObject({
    detached: true,
    session_id: expect.any(String),
    exit_code: 127,
    error: "no-such-program: not found",
  });
});
