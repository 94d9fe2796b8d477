/** exec is as if the command ran here: bytes, stdin, exit codes, signals. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { trap, zeros } from "../support/guest-commands.ts";
import { untilStalled } from "../support/stalled.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev", "--env", "FROM=create");
});
afterAll(() => daemon[Symbol.asyncDispose]());

function spawn(
  args: string[],
  stdin: "pipe" | "ignore" = "ignore",
  more: Record<string, string> = {},
) {
  const env = { PATH: process.env["PATH"], ...daemon.env, ...more };
  return Bun.spawn([binary, ...args], { env, stdin, stdout: "pipe", stderr: "pipe" });
}

/** Through a shell, for what only a shell can do; `$B` is the binary. */
async function shell(script: string) {
  const env = { PATH: process.env["PATH"], B: binary, ...daemon.env };
  const child = Bun.spawn(["bash", "-c", script], { env, stdout: "pipe", stderr: "pipe" });
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  const [stdout, stderr] = await Promise.all(texts);
  return { code: await child.exited, stdout, stderr };
}

const scrambled = new Uint8Array(10 * 1024 * 1024);
for (let i = 0; i < scrambled.length; i++) scrambled[i] = (i * 2654435761) >>> 13;

test.each<[string[], number, string, string]>([
  [["dev", "--", "echo", "hello"], 0, "hello\n", ""],
  [["dev", "echo", "hello"], 0, "hello\n", ""],
  [["dev", "--", "false"], 1, "", ""],
  [["dev", "--", "sh", "-c", "exit 42"], 42, "", ""],
  [["dev", "--", "sh", "-c", "echo out; echo err >&2; exit 3"], 3, "out\n", "err\n"],
  [["dev", "--timeout", "60", "--", "echo", "--json", "-x", "--"], 0, "--json -x --\n", ""],
  [["--timeout=60", "dev", "echo", "x"], 0, "x\n", ""],
  [["dev", "--workdir", "/tmp", "pwd"], 0, "/tmp\n", ""],
  [["dev", "pwd"], 0, "/workspace\n", ""],
  [["dev", "--env", "A=1,B=2", "--", "sh", "-c", "echo $A $B $FROM"], 0, "1 2 create\n", ""],
  [["dev", "--env", "A=x,y,B=2", "--", "sh", "-c", "echo $A $B"], 0, "x,y 2\n", ""],
])("exec %p", async (args, code, stdout, stderr) => {
  expect(await daemon.run(["exec", ...args])).toMatchObject({ code, stdout, stderr });
});

test.each(["exec dev -- cat", "file write dev rest; $B file read dev rest"])(
  "a file on stdin goes on where whoever ran us stopped reading it: %s",
  async (command) => {
    writeFileSync(join(daemon.home, "lines"), "one\ntwo\nthree\n");
    const { stdout } = await shell(`(read -r line; $B ${command}) < $HOME/lines`);
    expect(stdout?.replace("ok\n", "")).toBe("two\nthree\n");
  },
);

test("a command that is not there", async () => {
  expect(await daemon.run(["exec", "dev", "nosuch"])).toMatchObject({ code: 127, stdout: "" });
});

test("bytes come out as they are", async () => {
  const { bytes } = await daemon.run(["exec", "dev", "printf", "a\\x00\\xff\\xfe\\n"]);
  expect([...bytes]).toEqual([0x61, 0, 0xff, 0xfe, 0x0a]);
});

test("10 MB go in and come out", async () => {
  const { code, bytes } = await daemon.run(["exec", "dev", "cat"], { stdin: scrambled });
  expect(code).toBe(0);
  expect(Bun.hash(bytes)).toBe(Bun.hash(scrambled));
});

test("stdin from a file", async () => {
  expect(await shell("$B exec dev -- wc -c < /etc/passwd")).toMatchObject({
    stdout: `${readFileSync("/etc/passwd").length}\n`,
  });
});

test("an empty stdin ends at once", async () => {
  expect(await daemon.run(["exec", "dev", "cat"], { stdin: "" })).toMatchObject({ stdout: "" });
});

test("-n forwards nothing", async () => {
  expect(await daemon.run(["exec", "-n", "dev", "cat"], { stdin: "abc" })).toMatchObject({
    code: 0,
    stdout: "",
  });
});

test("the end of the command does not wait for the end of stdin", async () => {
  const child = spawn(["exec", "dev", "--", "sh", "-c", "exit 5"], "pipe");
  expect(await child.exited).toBe(5);
});

test("stdin that nobody reads is not kept in memory, and does not keep the command", async () => {
  const { code, stderr } = await shell("head -c 200000000 /dev/zero | $B exec dev sleep 0.5");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("a reader that goes away ends it quietly", async () => {
  const { stdout, stderr } = await shell(
    "$B exec dev yes | head -n 1; echo $PIPESTATUS; $B list | true; echo done",
  );
  expect({ stdout, stderr }).toEqual({ stdout: "y\n141\ndone\n", stderr: "" });
});

test("a slow reader bounds memory", async () => {
  const child = spawn(["exec", "dev", "--", ...zeros(300_000_000)]);
  const reader = child.stdout.getReader();
  await reader.read();
  await untilStalled(child.pid);
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  expect(peak).toBeLessThan(120_000);
  child.kill("SIGKILL");
  await child.exited;
});

test("a timeout is 137, and says why", async () => {
  expect(await daemon.run(["exec", "dev", "--timeout", "1", "sleep", "30"])).toMatchObject({
    code: 137,
    stdout: "",
    stderr: "bhatti: command timed out and was killed; raise the limit with exec --timeout\n",
  });
  const { code, stdout } = await daemon.run([
    "exec",
    "dev",
    "--timeout",
    "1",
    "--json",
    "sleep",
    "30",
  ]);
  expect(code).toBe(137);
  expect(JSON.parse(stdout)).toMatchObject({ exit_code: 137, reason: "timeout" });
});

test("--json buffers, with and without stdin, and keeps the exit code", async () => {
  const args = ["exec", "dev", "--json", "--", "sh", "-c", "cat; echo err >&2; exit 3"];
  const without = await daemon.run(args);
  expect(without).toMatchObject({ code: 3, stderr: "" });
  expect(JSON.parse(without.stdout)).toEqual({
    exit_code: 3,
    stdout: "",
    stderr: "err\n",
    reason: "exited",
  });
  const withStdin = await daemon.run(args, { stdin: "in" });
  expect(withStdin.code).toBe(3);
  expect(JSON.parse(withStdin.stdout)).toEqual({ ...JSON.parse(without.stdout), stdout: "in" });
});

test("--json prints output that is not UTF-8 as base64", async () => {
  const { stdout } = await daemon.run(["exec", "dev", "--json", "printf", "a\\xff"]);
  expect(JSON.parse(stdout)).toMatchObject({ stdout: "Yf8=", stderr: "", encoding: "base64" });
});

test("--json cuts what is beyond 10 MB, and says so", async () => {
  const args = ["exec", "dev", "--json", "--", ...zeros(11_000_000)];
  for (const options of [{}, { stdin: "" }]) {
    const result = JSON.parse((await daemon.run(args, options)).stdout);
    expect(result).toMatchObject({ exit_code: 0, truncated: true });
    expect(result.stdout.length).toBeLessThanOrEqual(10 * 1024 * 1024);
    expect(result.stderr).toBe("bhatti: output truncated at 10 MB\n");
  }
});

test("BHATTI_FORCE_STREAM=1 makes --json print events", async () => {
  const { code, stdout } = await daemon.run(
    ["exec", "dev", "--json", "--", "sh", "-c", "echo hé; printf '\\377'; echo err >&2; exit 2"],
    { env: { BHATTI_FORCE_STREAM: "1" } },
  );
  expect(code).toBe(2);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events[0]).toMatchObject({ type: "session", session_id: expect.any(String) });
  const decode = (type: string) =>
    Buffer.concat(
      events
        .filter((event) => event.type === type)
        .map(({ data, encoding }) => Buffer.from(data, encoding ?? "utf8")),
    ).toString("latin1");
  expect(decode("stdout")).toBe(`${Buffer.from("hé").toString("latin1")}\n\xff`);
  expect(decode("stderr")).toBe("err\n");
  expect(events.at(-1)).toEqual({ type: "exit", exit_code: 2, reason: "exited" });
});

test.each([
  ["SIGINT", [], "INT"],
  ["SIGTERM", [], "TERM"],
  ["SIGINT", ["--json"], "INT"],
] as const)("%s goes to the command: exec %p", async (signal, flags, name) => {
  // With --json the events show that it runs; the result alone would come too late for that.
  const env = flags.length > 0 ? { BHATTI_FORCE_STREAM: "1" } : {};
  const child = spawn(["exec", ...flags, "dev", "--", ...trap(42)], "ignore", env);
  const reader = child.stdout.getReader();
  let output = "";
  const readUntil = async (text: string) => {
    while (!output.includes(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`no "${text}" in ${output}`);
      output += new TextDecoder().decode(value);
    }
  };
  await readUntil("ready");
  child.kill(signal);
  expect(await child.exited).toBe(42);
  await readUntil(name);
});

test("--timing prints its table even when the command fails", async () => {
  const { code, stderr } = await daemon.run([
    "exec",
    "dev",
    "--timing",
    "--",
    "sh",
    "-c",
    "exit 7",
  ]);
  expect(code).toBe(7);
  expect(stderr).toMatch(
    /^---\nconnect: +[\d.]+(µs|ms|s)\nserver: +.*\ntransfer: +.*\ntotal: +.*\n$/,
  );
});

test("exec refuses --tty with --json", async () => {
  expect(await daemon.run(["exec", "dev", "-t", "--json", "true"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('{"error":"--tty and --json cannot be used together"'),
  });
});

test("-t works without a terminal of our own", async () => {
  expect(await daemon.run(["exec", "dev", "-t", "stty", "size"])).toMatchObject({
    code: 0,
    stdout: "24 80\r\n",
  });
});

test("20 at once", async () => {
  const runs = Array.from({ length: 20 }, (_, i) => daemon.ok("exec", "dev", "echo", String(i)));
  expect(await Promise.all(runs)).toEqual(runs.map((_, i) => `${i}\n`));
});
