/** Standard output that takes bytes slowly, or not at all. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  writeFileSync(join(daemon.home, "numbers"), numbers);
  await daemon.run(["file", "write", "dev", "numbers"], { stdin: numbers });
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Through a shell, for what only a shell can do; `$B` is the binary. */
async function shell(script: string) {
  const env = { PATH: process.env["PATH"], B: binary, ...daemon.env };
  const child = Bun.spawn(["bash", "-c", script], { env, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

async function detachedSession(): Promise<string> {
  const args = ["exec", "--detach", "--json", "dev", "--", "cat", "/workspace/numbers"];
  return JSON.parse(await daemon.ok(...args)).session_id;
}

/** Its pipe does not block, as dd leaves it, and is read more slowly than it is written. */
const throughFullPipe = (words: string) =>
  shell(`set -o pipefail
    (dd if=/dev/null oflag=nonblock status=none; exec $B ${words}) | dd bs=512 status=none`);

test.each<[string, string | (() => Promise<string>)]>([
  ["exec", "exec dev cat < $HOME/numbers"],
  ["shell", "shell dev <<< 'cat /workspace/numbers'"],
  ["logs --follow", async () => `logs -f dev ${await detachedSession()}`],
  ["file read", "file read dev numbers"],
])("%s writes every byte once to a pipe that is full and does not block", async (_, words) => {
  const { stdout, ...outcome } = await throughFullPipe(
    typeof words === "string" ? words : await words(),
  );
  expect({ ...outcome, length: stdout.length, isExact: stdout === numbers }).toEqual({
    code: 0,
    stderr: "",
    length: 1_288_895,
    isExact: true,
  });
});

test.each([
  ["exec dev -- echo hi", ">/dev/full", "No space left on device"],
  ["exec dev -- echo hi", ">&-", "Bad file descriptor"],
  ["exec dev --json -- echo hi", ">/dev/full", "No space left on device"],
  ["file read dev numbers", ">/dev/full", "No space left on device"],
  ["list", ">&-", "Bad file descriptor"],
  ["--help", ">/dev/full", "No space left on device"],
])("%s %s fails, and names standard output", async (words, redirection, reason) => {
  const { code, stderr } = await shell(`$B ${words} ${redirection}`);
  expect(code).toBe(1);
  const message = `cannot write to standard output: ${reason}`;
  const expected = words.includes("--json")
    ? `{"error":"${message}","code":"local_io"}\n`
    : `Error: ${message}\n`;
  expect(stderr).toBe(expected);
});

test("exec fails if its output cannot be written, even if its command does not wait for it", async () => {
  const { code } = await shell("$B exec dev -- sh -c 'echo err >&2' 2>/dev/full");
  expect(code).toBe(1);
});

test.each([
  ["exec dev true", ">&- 2>&-"],
  ["exec dev --timing -- echo hi", "2>/dev/full"],
])(
  "%s %s succeeds: there was nothing to say, or it was only a remark",
  async (words, redirection) => {
    expect(await shell(`$B ${words} ${redirection}`)).toMatchObject({ code: 0 });
  },
);
