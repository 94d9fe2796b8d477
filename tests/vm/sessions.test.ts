/** Sessions in real machines: they outlive their clients, the daemon, sleep and stop, and lose nothing they said. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Session } from "../../src/contract/sessions.ts";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { follow } from "../support/follow.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { inGuest, show } from "../support/sandbox-state.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon();
  const init = "echo init was here; while read line; do echo got $line; done";
  await daemon.ok("create", "--name", "dev", "--memory", "256", "--keep-hot", "--init", init);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const sessions = (...flags: string[]) => daemon.json<Session[]>("ps", "dev", ...flags);
const session = async (id: string) =>
  (await sessions("--all")).find(({ session_id }) => session_id === id);

async function detach(script: string, ...flags: string[]): Promise<string> {
  const words = ["exec", "dev", "--detach", ...flags, "--json", "--", "sh", "-c", script];
  return JSON.parse(await daemon.ok(...words)).session_id;
}

const open = (request: object) => ExecSocketClient.start(daemon, "dev", request);

test("a detached command goes on alone, with its output in a log", async () => {
  const told = await daemon.ok(
    "exec",
    "dev",
    "--detach",
    "--",
    "sh",
    "-c",
    "echo one; echo two >&2; sleep 600",
  );
  const [, pid, path] =
    told.match(/^pid: (\d+)\noutput: (\/var\/log\/lohar\/sessions\/sess-\w+\.log)\n$/) ?? [];
  const [listed] = (await sessions()).filter(({ kind }) => kind === "detached");
  expect(listed).toMatchObject({ pid: Number(pid), log: path, running: true, attached: false });
  const id = listed?.session_id ?? "";
  await until("its log", async () => (await daemon.ok("logs", "dev", id)) === "one\ntwo\n");
  expect(await inGuest(daemon, "dev", `cat ${path}`)).toBe("one\ntwo\n");
  await daemon.ok("kill", "dev", id);
  await until("its end", async () => (await session(id))?.running === false);
  expect(await session(id)).toMatchObject({ exit_code: 137, reason: "signal", signal: "SIGKILL" });
  const again = await daemon.run(["kill", "dev", id]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("ended");
});

test("the init script is the session init: listed, read, and spoken to", async () => {
  expect(await session("init")).toMatchObject({ kind: "init", tty: true, running: true });
  const client = await open({ attach: "init", tty: { rows: 24, cols: 80 } });
  await until("what it said before", () => client.stdout.includes("init was here"));
  client.stdin("hello\n");
  await until("its answer", () => client.stdout.includes("got hello"));
  client.close();
  await client.closed;
  expect(await daemon.ok("logs", "dev", "init")).toContain("got hello");
});

test("a piped session keeps its memory and its stdin through a kill of the daemon, a stop and a start", async () => {
  const first = await open({ cmd: ["sh"], session: true, stdin: true });
  const { session_id: id, offset = 0 } = await first.event("session");
  first.stdin("n=41; echo begun\n");
  await until("its first words", () => first.stdout === "begun\n");
  const log = daemon.spawn(["logs", "-f", "dev", id]);
  const logged = follow(log.stdout);
  const remarks = follow(log.stderr);
  await until("its log", () => logged.text === "begun\n");
  await daemon.kill("SIGKILL");
  await first.closed;
  await daemon.restart();

  const second = await open({ attach: id, from: offset + first.stdoutBytes });
  await second.event("session");
  second.stdin("n=$((n+1)); echo $n; echo on stderr >&2\n");
  await until("its memory", () => second.stdout === "42\non stderr\n");
  second.close();
  await second.closed;
  await until("the whole log", () => logged.text.endsWith("on stderr\n"));
  expect(remarks.text).toBe("connection lost, reconnecting…\nreconnected\n");
  await daemon.ok("stop", "dev");
  expect(await log.exited).toBe(1);
  await Promise.all([logged.ended, remarks.ended]);
  expect(logged.text).toBe("begun\n42\non stderr\n");
  expect(remarks.text).toContain('Sandbox "dev" ended while reading the log: the VM was suspended');
  expect((await sessions()).map(({ session_id }) => session_id)).toContain(id);
  expect(await show(daemon, "dev")).toMatchObject({ status: "stopped", thermal: "cold" });
  await daemon.ok("start", "dev");

  const third = await open({ attach: id });
  await until("all it ever said", () => third.stdout === "begun\n42\non stderr\n");
  third.tell({ type: "stdin_end" });
  expect(await third.event("exit")).toMatchObject({ exit_code: 0, reason: "exited" });
});

test("one has control, the others look on", async () => {
  const first = await open({ cmd: ["sh"], tty: { rows: 24, cols: 80 } });
  const { session_id: id } = await first.event("session");
  const watcher = await open({ attach: id, mode: "watch" });
  await watcher.event("session");
  first.stdin("echo to $((40+2))\n");
  await until("what both see", () => watcher.stdout.includes("to 42"));
  const thief = await open({ attach: id, tty: { rows: 10, cols: 20 } });
  expect(await first.event("error")).toMatchObject({ code: "session_taken" });
  thief.stdin("stty size; exit 3\n");
  expect(await thief.event("exit")).toMatchObject({ exit_code: 3 });
  expect(await watcher.event("exit")).toMatchObject({ exit_code: 3 });
  expect(thief.stdout).toContain("10 20");
  expect(watcher.stdout).toContain("10 20");
  const late = await open({ attach: id });
  expect(await late.event("exit")).toMatchObject({ exit_code: 3 });
  expect(late.stdout).toContain("to 42");
});

test("what it writes is told whole to whoever follows, and its log has a limit", async () => {
  const id = await detach(
    "while [ ! -e go ]; do sleep 0.1; done; yes 0123456789abcde | head -c 25000000",
  );
  const follower = daemon.spawn(["logs", "-f", "dev", id]);
  const counting = (async () => {
    let bytes = 0;
    for await (const chunk of follower.stdout) bytes += chunk.length;
    return bytes;
  })();
  await inGuest(daemon, "dev", "touch go");
  expect(await counting).toBe(25_000_000);
  expect(await follower.exited).toBe(0);
  const { log_bytes = 0, running } = (await session(id)) ?? {};
  expect(running).toBe(false);
  expect(log_bytes).toBeGreaterThan(10_000_000);
  expect(log_bytes).toBeLessThan(22_000_000);
  const { bytes } = await daemon.run(["logs", "dev", id]);
  expect(bytes.length).toBe(log_bytes);
});

test("a log that could not be written for a while says how much is missing", async () => {
  const id = await detach(
    "n=100; while [ $n -lt 200 ]; do printf '%01000d\\n' $n; n=$((n+1)); sleep 0.1; done",
  );
  const fill =
    "dd if=/dev/zero of=/filler bs=64k; dd if=/dev/zero of=/filler bs=512 oflag=append conv=notrunc";
  const full = `${fill}; sleep 5; rm /filler; sync`;
  await daemon.run(["exec", "dev", "--user", "root", "--", "sh", "-c", full]);
  await until("its end", async () => (await session(id))?.running === false);
  const log = await daemon.ok("logs", "dev", id);
  const [all, lost] = log.match(/^\[bhatti: (\d+) bytes lost: disk full\]\n/m) ?? [];
  expect(Number(lost)).toBeGreaterThan(0);
  // A line that was cut off is ended first.
  const total = log.replace(all ?? "", "").length + Number(lost);
  expect([100 * 1001, 100 * 1001 + 1]).toContain(total);
});

test("a session that ends while the disk is full says how much of its log is missing", async () => {
  const fill =
    "dd if=/dev/zero of=/filler bs=64k; dd if=/dev/zero of=/filler bs=512 oflag=append conv=notrunc; true";
  await daemon.run(["exec", "dev", "--user", "root", "--", "sh", "-c", fill]);
  const id = await detach("echo 123456789");
  await until("its end", async () => (await session(id))?.running === false);
  const note = "[bhatti: 10 bytes lost: disk full]\n";
  expect(await daemon.ok("logs", "dev", id)).toBe(note);
  expect(await daemon.ok("logs", "-f", "dev", id)).toBe(note);
  await daemon.ok("exec", "dev", "--user", "root", "--", "sh", "-c", "rm /filler; sync");
  const file = `/var/log/lohar/sessions/${id}.log`;
  await until("the note is on the disk", async () => {
    const { stdout } = await daemon.run(["exec", "dev", "--", "cat", file]);
    return stdout === note;
  });
  expect(await daemon.ok("logs", "dev", id)).toBe(note);
});

test("21 at once are too many, which is said and harms none", async () => {
  const running = (await sessions()).filter(({ kind }) => kind !== "init").length;
  const ids: string[] = [];
  for (let at = running; at < 20; at += 1) ids.push(await detach("sleep 600"));
  const refused = await daemon.run(["exec", "dev", "--detach", "--json", "--", "sleep", "1"]);
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stderr)).toMatchObject({ code: "session_limit" });
  expect(await inGuest(daemon, "dev", "echo a plain command is none")).toContain("none");
  for (const id of ids) await daemon.ok("kill", "dev", id);
  await until("room", async () =>
    (await sessions()).every(({ session_id }) => !ids.includes(session_id)),
  );
  await daemon.ok("kill", "dev", await detach("sleep 600"));
});

test("a command that takes all memory is said to have", async () => {
  const greedy = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
  const { code, stdout } = await daemon.run(["exec", "dev", "--json", "--", "sh", "-c", greedy]);
  expect(code).toBe(137);
  expect(JSON.parse(stdout)).toMatchObject({ exit_code: 137, reason: "oom" });
});
