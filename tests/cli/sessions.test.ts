/** Sessions without a terminal: in the background, over pipes, listed, signalled and read. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { cuttableLine } from "../support/cuttable-line.ts";
import { follow } from "../support/follow.ts";
import { trap } from "../support/guest-commands.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  await daemon.run(["destroy", "dev", "-y"]);
  await daemon.ok("create", "--name", "dev");
});

/** Starts it in the background and gives its id. */
async function detached(...words: string[]): Promise<string> {
  const out = await daemon.ok("exec", "dev", "--detach", "--json", "--", ...words);
  return JSON.parse(out).session_id;
}

function spawn(args: string[]) {
  const env = { PATH: process.env["PATH"], ...daemon.env };
  return Bun.spawn([binary, ...args], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
}

/** Starts one that takes input, leaves it and gives its id. */
async function piped(...words: string[]): Promise<string> {
  const client = spawn(["exec", "dev", "--session", "--", ...words]);
  const said = new TextDecoder().decode((await client.stderr.getReader().read()).value);
  client.kill("SIGKILL");
  await client.exited;
  return /sess-\w+/.exec(said)?.[0] ?? "";
}

const ended = (id: string) =>
  until(`${id} has ended`, async () => {
    const list = JSON.parse(await daemon.ok("ps", "dev", "--all", "--json"));
    return list.find((one: { session_id: string }) => one.session_id === id)?.running === false;
  });

test("exec --detach prints the PID and the log path, and on stderr how to follow the session", async () => {
  const { code, stdout, stderr } = await daemon.run(["exec", "dev", "-d", "--", "echo", "hello"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^pid: \d+\noutput: \/var\/log\/lohar\/sessions\/sess-\w+\.log\n$/);
  const id = /sess-\w+/.exec(stdout)?.[0];
  expect(stderr).toBe(`session ${id}\nFollow: bhatti logs dev ${id} -f\n`);
  const json = JSON.parse(await daemon.ok("exec", "dev", "-d", "--json", "echo", "x"));
  expect(json).toMatchObject({
    detached: true,
    session_id: expect.any(String),
    pid: expect.any(Number),
  });
});

test.each([
  [["--detach", "--tty"], "--detach and --tty cannot be used together"],
  [["--detach", "--session"], "--detach and --session cannot be used together"],
  [["--user", "ada"], '--user must be one of lohar, root, got "ada"'],
])("exec %p is refused", async (flags, message) => {
  const { code, stderr } = await daemon.run(["exec", "dev", ...flags, "--", "true"]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `Error: ${message}\nUsage: bhatti exec [flags] <sandbox> [--] <command...>\nSee: bhatti exec --help\n`,
  });
});

test("exec --user", async () => {
  expect(await daemon.ok("exec", "dev", "whoami")).toBe("lohar\n");
  expect(await daemon.ok("exec", "dev", "--user", "root", "whoami")).toBe("root\n");
  expect(await daemon.ok("exec", "dev", "-u", "root", "whoami")).toBe("root\n");
});

test("ps lists what runs, and with --all what has ended", async () => {
  expect(await daemon.run(["ps", "dev"])).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "No sessions\n",
  });
  const long = await detached("sleep", "1000", "0".repeat(60));
  const short = await detached("sh", "-c", "exit 3");
  await ended(short);
  const [head, row, ...more] = (await daemon.ok("ps", "dev")).trimEnd().split("\n");
  expect(head).toBe(
    "ID         COMMAND                                  RUNNING ATTACHED KIND     STARTED",
  );
  expect(row).toMatch(new RegExp(`^${long} +sleep 1000 0{28}… yes +no +detached \\d+ s ago$`));
  expect(more).toEqual([]);
  const all = await daemon.ok("ps", "dev", "--all");
  expect(all).toContain("EXIT");
  expect(all).toMatch(new RegExp(`^${short} +sh -c exit 3 +no +no +detached \\d+ s ago +3$`, "m"));
  const json = JSON.parse(await daemon.ok("ps", "dev", "--json"));
  expect(json).toMatchObject([{ session_id: long, running: true, attached: false }]);
});

test("ps of a sandbox that sleeps says so, and lets it sleep", async () => {
  const id = await detached("sleep", "1000");
  await daemon.ok("stop", "dev");
  const { stdout, stderr } = await daemon.run(["ps", "dev"]);
  expect(stdout).toContain(id);
  expect(stderr).toMatch(/^As of \d+ s ago: the sandbox is suspended\n$/);
  expect(JSON.parse(await daemon.ok("inspect", "dev", "--json"))).toMatchObject({
    status: "stopped",
  });
});

test("kill ends a session, or sends it a signal", async () => {
  const id = await detached(...trap(4));
  await until("it is ready", async () => (await daemon.ok("logs", "dev", id)) === "ready\n");
  expect(await daemon.ok("kill", "dev", id, "--signal", "term")).toBe(
    `session/${id} signalled (SIGTERM)\n`,
  );
  await ended(id);
  expect(await daemon.ok("logs", "dev", id)).toBe("ready\nTERM\n");
  const other = await detached("sleep", "1000");
  expect(await daemon.ok("kill", "dev", other)).toBe(`session/${other} killed\n`);
  await ended(other);
  const again = await daemon.run(["kill", "dev", other]);
  expect(again.code).toBe(1);
  expect(again.stderr).toBe(
    `409 Conflict: Session '${other}' has ended\nPrint its output: bhatti logs dev ${other}\n`,
  );
  const bad = await daemon.run(["kill", "dev", other, "-s", "NOPE"]);
  expect(bad.stderr).toStartWith("400 Bad Request: signal: must be a signal name");
  const unknown = await daemon.run(["kill", "dev", "sess-none"]);
  expect(unknown.stderr).toMatch(/^404 Not Found: .*\nList sessions: bhatti ps --all/);
});

test("logs prints all of it, its last lines or bytes, or follows it", async () => {
  const id = await detached("sh", "-c", "echo one; echo two; echo three; sleep 0.3; echo four");
  const follow = daemon.ok("logs", "dev", id, "--follow");
  const tail = daemon.ok("logs", "dev", id, "-f", "--tail", "1");
  expect(await follow).toBe("one\ntwo\nthree\nfour\n");
  expect(await tail).toEndWith("four\n");
  expect(await daemon.ok("logs", "dev", id)).toBe("one\ntwo\nthree\nfour\n");
  expect(await daemon.ok("logs", "dev", id, "--tail", "2")).toBe("three\nfour\n");
  expect(await daemon.ok("logs", "dev", id, "--tail", "99")).toBe("one\ntwo\nthree\nfour\n");
  expect(await daemon.ok("logs", "dev", id, "--tail", "0")).toBe("");
  expect(await daemon.ok("logs", "dev", id, "--bytes", "5")).toBe("four\n");
  expect(await daemon.run(["logs", "dev", id, "--bytes", "5", "--tail", "1"])).toMatchObject({
    stderr: expect.stringContaining("Error: --tail and --bytes cannot be used together\n"),
  });
});

test("attach tells what was said and how it ended", async () => {
  const id = await detached("sh", "-c", "echo one; exit 5");
  await ended(id);
  expect(await daemon.run(["attach", "dev", id])).toMatchObject({ code: 5, stdout: "one\n" });
  expect(await daemon.run(["attach", "dev", id, "--watch"])).toMatchObject({ code: 5 });
});

test("a piped session outlives its client, and is taken up where it is", async () => {
  const first = spawn(["exec", "dev", "--session", "--", "cat"]);
  first.stdin.write("one\n");
  await first.stdin.flush();
  const reader = first.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("one\n");
  first.kill("SIGKILL");
  expect(await new Response(first.stderr).text()).toMatch(/^session sess-\w+\n$/);
  const [{ session_id: id, kind }] = JSON.parse(await daemon.ok("ps", "dev", "--json"));
  expect(kind).toBe("piped");
  const second = spawn(["attach", "dev", id]);
  second.stdin.write("two\n");
  await second.stdin.end(); // ends nothing
  const output = second.stdout.getReader();
  let text = "";
  while (!text.includes("two")) text += new TextDecoder().decode((await output.read()).value);
  expect(text).toBe("one\ntwo\n");
  second.kill("SIGINT");
  expect(await second.exited).toBe(130);
  expect(await new Response(second.stderr).text()).toBe(
    `detached from ${id}. Reattach: bhatti attach dev ${id}\n`,
  );
  await daemon.ok("kill", "dev", id);
});

test.each(["SIGTERM", "SIGHUP"] as const)(
  "%s ends the client of a session, and not the session",
  async (signal) => {
    const client = spawn(["exec", "dev", "--session", "--", "cat"]);
    const stderr = client.stderr.getReader();
    const said = new TextDecoder().decode((await stderr.read()).value);
    const id = /sess-\w+/.exec(said)?.[0] ?? "";
    client.kill(signal);
    await client.exited;
    expect(client.signalCode).toBe(signal);
    expect(new TextDecoder().decode((await stderr.read()).value)).toBe(
      `detached from ${id}. Reattach: bhatti attach dev ${id}\n`,
    );
    const list = JSON.parse(await daemon.ok("ps", "dev", "--json"));
    expect(list).toMatchObject([{ session_id: id, running: true }]);
    await daemon.ok("kill", "dev", id);
  },
);

test("a piped session is not made again by itself when part of its input may be lost", async () => {
  const id = await piped("cat");
  using line = cuttableLine(daemon.url);
  const client = spawn(["attach", "dev", id, "--url", line.url]);
  client.stdin.write("one\n");
  await client.stdin.flush();
  expect(new TextDecoder().decode((await client.stdout.getReader().read()).value)).toBe("one\n");
  line.cut();
  expect(await client.exited).toBe(1);
  expect(await new Response(client.stderr).text()).toEndWith(
    `; ${id} may still be running\nReattach: bhatti attach dev ${id}\n`,
  );
});

test("one that only reads goes on where it was", async () => {
  const id = await detached(...trap(6));
  using line = cuttableLine(daemon.url);
  const client = spawn(["attach", "dev", id, "--no-stdin", "--url", line.url]);
  const said = follow(client.stdout);
  const complaints = follow(client.stderr);
  await until("what it said", () => said.text === "ready\n");
  line.cut();
  line.mend();
  await until("it is back", () => complaints.text.endsWith("reconnected\n"));
  await daemon.ok("kill", "dev", id, "--signal", "TERM");
  expect(await client.exited).toBe(6);
  await Promise.all([said.ended, complaints.ended]);
  expect(said.text).toBe("ready\nTERM\n");
  expect(complaints.text).toBe("connection lost, reconnecting…\nreconnected\n");
});

test("whoever loses a session is told how to take it back, by its name", async () => {
  const first = spawn(["exec", "dev", "--session", "--", "cat"]);
  const said = follow(first.stderr);
  await until("its id is told", () => said.text.endsWith("\n"));
  const id = /sess-\w+/.exec(said.text)?.[0];
  const second = spawn(["attach", "dev", id ?? ""]);
  expect(await first.exited).toBe(1);
  await said.ended;
  expect(said.text).toEndWith(`\nReattach: bhatti attach dev ${id}\n`);
  second.kill("SIGKILL");
  await second.exited;
});

test("a log that is followed goes on where it was: no byte is lost, none comes twice", async () => {
  const id = await piped("cat");
  const writer = spawn(["attach", "dev", id]);
  const logged = (text: string) => async () => (await daemon.ok("logs", "dev", id)) === text;
  writer.stdin.write("one\ntwo\n");
  await until("its log has the first half", logged("one\ntwo\n"));
  using line = cuttableLine(daemon.url);
  const client = spawn(["logs", "dev", id, "-f", "--tail", "1", "--url", line.url]);
  const output = client.stdout.getReader();
  let text = new TextDecoder().decode((await output.read()).value);
  expect(text).toBe("two\n");
  line.cut();
  line.mend();
  writer.stdin.write("three\nfour\n");
  await until("its log has all", logged("one\ntwo\nthree\nfour\n"));
  await daemon.ok("kill", "dev", id);
  for (let next = await output.read(); next.value; next = await output.read()) {
    text += new TextDecoder().decode(next.value);
  }
  expect(text).toBe("two\nthree\nfour\n");
  expect(await client.exited).toBe(0);
  expect(await new Response(client.stderr).text()).toBe(
    "connection lost, reconnecting…\nreconnected\n",
  );
});

test("a shell without a terminal reads its stdin, and ends with it", async () => {
  const script = "echo hello\ntty\nexit 6\n";
  expect(await daemon.run(["shell", "dev"], { stdin: script })).toMatchObject({
    code: 6,
    stdout: "hello\nnot a tty\n",
    stderr: "",
  });
  expect(await daemon.run(["shell", "dev"])).toMatchObject({ code: 0, stdout: "" });
  expect(await daemon.run(["shell", "-it", "dev"])).toMatchObject({ code: 0, stdout: "" });
});

test.each(["shell dev", "attach dev sess-1", "logs dev sess-1"])(
  "%s has no --json",
  async (words) => {
    const { code, stderr } = await daemon.run([...words.split(" "), "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ code: "bad_usage" });
  },
);

test.each(["ps nope", "attach nope sess-1", "kill nope sess-1", "logs nope sess-1", "shell nope"])(
  "%s: there is no such sandbox",
  async (words) => {
    const { code, stderr } = await daemon.run(words.split(" "));
    expect(code).toBe(1);
    expect(stderr).toStartWith("404 Not Found: ");
    expect(stderr).toEndWith("\nCheck sandbox name: bhatti ls\n");
  },
);
