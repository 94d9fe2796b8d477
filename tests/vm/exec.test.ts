/** Commands in a real guest: streams byte for byte, exit codes verbatim, and why it ended. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type MachineDaemon, type Outcome, startMachineDaemon } from "../support/machine-daemon.ts";

let daemon: MachineDaemon;
/** Runs beside the other tests. */
let silent: Promise<Outcome>;
beforeAll(async () => {
  daemon = await startMachineDaemon({ poolSize: 1 });
  await daemon.ok("create", "--name", "dev");
  silent = shell("sleep 15; echo done");
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const inGuest = (...words: string[]) => daemon.run(["exec", "dev", "--", ...words]);
const shell = (script: string) => inGuest("sh", "-c", script);

test("stdout and stderr stay apart, the exit code is the command's", async () => {
  const { code, stdout, stderr } = await shell("echo out; echo err >&2; exit 7");
  expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
});

test.each([
  ["a command that does not exist", ["no-such-command"], 127],
  ["a file that cannot be executed", ["/etc/passwd"], 126],
  ["a command that is killed", ["sh", "-c", "kill -TERM $$"], 143],
  ["a directory", ["/workspace"], 126],
])("%s ends with the shell's code for it", async (_, words, code) => {
  expect((await inGuest(...words)).code).toBe(code);
});

test("a timeout kills the whole process group and says so", async () => {
  const words = [
    "exec",
    "dev",
    "--timeout",
    "1",
    "--json",
    "--",
    "sh",
    "-c",
    "sleep 1000 & sleep 1000",
  ];
  const { code, stdout } = await daemon.run(words);
  expect(code).toBe(137);
  expect(JSON.parse(stdout)).toMatchObject({ exit_code: 137, reason: "timeout" });
  const gone = "while ps | grep -q '[s]leep 1000'; do sleep 0.1; done; echo gone";
  expect((await shell(gone)).stdout).toBe("gone\n");
});

test("10 MB of any bytes go in and come out unchanged", async () => {
  const bytes = randomBytes(10 << 20);
  const { code, bytes: back } = await daemon.run(["exec", "dev", "--", "cat"], { stdin: bytes });
  expect(code).toBe(0);
  expect(sha256(back)).toBe(sha256(bytes));
});

test("100 MB come out unchanged", async () => {
  const block = 8 << 20;
  const hash = (
    await shell(`head -c ${block} /dev/urandom > block; sha256sum block | cut -d' ' -f1`)
  ).stdout;
  const { code, bytes } = await shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do cat block; done");
  expect(code).toBe(0);
  expect(bytes.length).toBe(13 * block);
  for (let at = 0; at < bytes.length; at += block) {
    expect(`${sha256(bytes.subarray(at, at + block))}\n`).toBe(hash);
  }
});

test("-n gives it no stdin, and a command that ignores its stdin ends all the same", async () => {
  expect(await daemon.run(["exec", "-n", "dev", "--", "cat"], { stdin: "ignored" })).toMatchObject({
    code: 0,
    stdout: "",
  });
  expect(
    (await daemon.run(["exec", "dev", "--", "true"], { stdin: randomBytes(1 << 20) })).code,
  ).toBe(0);
});

test("--env and --workdir are the command's", async () => {
  const words = [
    "exec",
    "dev",
    "--env",
    "A=1,B=two",
    "--workdir",
    "/tmp",
    "--",
    "sh",
    "-c",
    "echo $A $B; pwd",
  ];
  expect((await daemon.run(words)).stdout).toBe("1 two\n/tmp\n");
});

test("-t allocates a terminal", async () => {
  const { stdout } = await daemon.run([
    "exec",
    "-t",
    "dev",
    "--",
    "sh",
    "-c",
    "tty; test -t 0 && echo yes",
  ]);
  expect(stdout).toContain("/dev/pts/");
  expect(stdout).toContain("yes");
});

test("50 commands at once each get their own answer", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, index) => shell(`echo ${index}; exit ${index}`)),
  );
  outcomes.forEach(({ code, stdout }, index) => {
    expect({ code, stdout }).toEqual({ code: index, stdout: `${index}\n` });
  });
});

test("100 commands that end at the same moment lose nothing of their output", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) => shell(`sleep 3; echo ${index}`)),
  );
  outcomes.forEach(({ code, stdout }, index) => {
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${index}\n` });
  });
});

test("a guest that floods its console harms nobody", async () => {
  await shell("sudo timeout 5 sh -c 'yes flood > /dev/console'");
  expect((await inGuest("echo", "still here")).stdout).toBe("still here\n");
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("a command that is silent for 15 s is not cut off", async () => {
  expect(await silent).toMatchObject({ code: 0, stdout: "done\n" });
});
