/** Sessions over the exec WebSocket: left and taken up, taken over, watched, and the choice of a shell. */
import { expect, test } from "bun:test";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { zeros } from "../support/guest-commands.ts";
import {
  leave,
  listSessions,
  oneSession,
  openSession,
  says,
  size,
  withSandbox,
} from "../support/sessions.ts";
import { until } from "../support/until.ts";

const piped = { cmd: ["cat"], stdin: true, session: true };
const shell = { shell: "reattach", tty: size };

test("who goes away only detaches: the session goes on, with its stdin open", async () => {
  await using daemon = await withSandbox();
  const { client, session, id } = await openSession(daemon, piped);
  expect(session).toMatchObject({ tty: false, reattached: false, offset: 0 });
  expect(session.log).toBe(`/var/log/lohar/sessions/${id}.log`);
  client.stdin("one ");
  await says(client, "one ");
  await leave(daemon, client, id);

  const again = await openSession(daemon, { attach: id });
  expect(again.session).toMatchObject({ session_id: id, reattached: true, offset: 0 });
  await says(again.client, "one ");
  again.client.stdin("two");
  again.client.tell({ type: "stdin_end" });
  expect(await again.client.event("exit")).toMatchObject({ exit_code: 0, reason: "exited" });
  expect(again.client.stdout).toBe("one two");
});

test("from where an earlier connection left off, nothing comes twice", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  client.stdin("first");
  await says(client, "first");
  await leave(daemon, client, id);
  const again = await openSession(daemon, { attach: id, from: 5 });
  expect(again.session.offset).toBe(5);
  again.client.stdin("second");
  await says(again.client, "second");
  expect(again.client.stdout).toBe("second");
  again.client.close();
});

test("what is no longer kept is left out, and the offset says so", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, { cmd: zeros(200_000), session: true });
  await client.closed;
  const late = await openSession(daemon, { attach: id });
  await late.client.closed;
  expect(late.session.offset).toBe(200_000 - 65_536);
  expect(late.client.stdoutBytes).toBe(65_536);
  expect(await late.client.event("exit")).toMatchObject({ exit_code: 0 });
});

test("of two, the later has it, and the earlier is told", async () => {
  await using daemon = await withSandbox();
  const first = await openSession(daemon, piped);
  const second = await openSession(daemon, { attach: first.id });
  expect(await first.client.event("error")).toMatchObject({ code: "session_taken" });
  expect(await first.client.closed).toBe(1008);
  second.client.stdin("mine");
  await says(second.client, "mine");
  expect(await oneSession(daemon, first.id)).toMatchObject({ attached: true, running: true });
  second.client.close();
});

test("who watches sees all, and may say nothing", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  const watcher = await openSession(daemon, { attach: id, mode: "watch" });
  client.stdin("look");
  await says(watcher.client, "look");
  expect(await oneSession(daemon, id)).toMatchObject({ attached: true, watchers: 1 });
  watcher.client.stdin("me too");
  expect(await watcher.client.event("error")).toMatchObject({
    code: "bad_request",
    error: "stdin: is not accepted with mode watch",
  });
  client.tell({ type: "stdin_end" });
  expect(await client.event("exit")).toMatchObject({ exit_code: 0 });
});

test("a session that is not there", async () => {
  await using daemon = await withSandbox();
  const client = await ExecSocketClient.start(daemon, "dev", { attach: "sess-none" });
  expect(await client.event("error")).toMatchObject({ code: "session_not_found" });
  expect(await client.closed).toBe(1008);
});

test("a shell is taken up by who comes next, and a new one is made when all are taken", async () => {
  await using daemon = await withSandbox();
  const first = await openSession(daemon, shell);
  expect(first.session).toMatchObject({ tty: true, reattached: false });
  await says(first.client, "$ ");
  first.client.stdin("echo hel''lo\r");
  await says(first.client, "hello");
  const second = await openSession(daemon, shell);
  expect(second.id).not.toBe(first.id);
  await leave(daemon, first.client, first.id);
  const third = await openSession(daemon, { ...shell, tty: { rows: 50, cols: 132 } });
  expect(third.session).toMatchObject({ session_id: first.id, reattached: true });
  await says(third.client, "hello");
  third.client.stdin("stty size\r");
  await says(third.client, "50 132");
  const fourth = await openSession(daemon, { shell: "new", tty: size });
  expect([first.id, second.id]).not.toContain(fourth.id);
  for (const { client } of [second, third, fourth]) client.close();
});

test("shell starts a new shell although a program's terminal is detached", async () => {
  await using daemon = await withSandbox();
  for (const cmd of [["sleep", "60"], ["bash"]]) {
    const program = await openSession(daemon, { cmd, tty: size });
    await leave(daemon, program.client, program.id);
  }
  const { client, session } = await openSession(daemon, shell);
  expect(session.reattached).toBe(false);
  client.close();
});

test("neither the init session nor one without a terminal is taken for a shell", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", init: "sleep 60" });
  await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["sleep", "60"], detach: true });
  const { client, session } = await openSession(daemon, shell);
  expect(session.reattached).toBe(false);
  client.close();
});

test("of many who want the same shell one gets it, and the others get their own", async () => {
  await using daemon = await withSandbox();
  const old = await openSession(daemon, shell);
  await leave(daemon, old.client, old.id);
  const all = await Promise.all(Array.from({ length: 5 }, () => openSession(daemon, shell)));
  const ids = all.map(({ id }) => id);
  expect(new Set(ids).size).toBe(5);
  expect(ids).toContain(old.id);
  for (const { client } of all) client.close();
});

test("the end of a shell is told with its exit code, and as an event", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, shell);
  client.stdin("exit 7\r");
  expect(await client.event("exit")).toMatchObject({ exit_code: 7 });
  const [event] = await daemon.events("shell.session");
  expect(JSON.parse(event?.meta ?? "")).toEqual({
    session_id: id,
    reattach: false,
    duration_s: expect.any(Number),
  });
});

test("a session ends when nobody was there for as long as was said", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, { ...piped, max_idle_sec: 1 });
  await leave(daemon, client, id);
  await until("it was killed", async () => (await oneSession(daemon, id)).exit_code === 137);
});

test.each([
  [{ attach: "" }, /^attach: must be at least 1 characters/],
  [{ attach: "a", mode: "own" }, /^mode: must be one of control, watch/],
  [{ attach: "a", from: -1 }, /^from: must be at least 0/],
  [{ shell: "old", tty: size }, /^shell: must be one of reattach, new/],
  [{ shell: "new" }, /^tty: is required/],
  [{ shell: "new", tty: { rows: 0, cols: 80 } }, /^tty.rows: must be between 1 and 65535/],
  [{ shell: "new", tty: size, cmd: ["ls"] }, /^cmd: unknown field/],
])("a bad first message is told precisely: %j", async (request, error) => {
  await using daemon = await withSandbox();
  const client = await ExecSocketClient.start(daemon, "dev", request);
  expect((await client.event("error")).error).toMatch(error);
  expect(await client.closed).toBe(1008);
  expect(await listSessions(daemon)).toEqual([]);
});

test("a session outlives the daemon: the next one takes it up", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, shell);
  client.stdin("echo be''fore\r");
  await says(client, "before");
  await daemon.kill();
  await daemon.start();
  const again = await openSession(daemon, { attach: id });
  await says(again.client, "before");
  again.client.stdin("echo af''ter\r");
  await says(again.client, "after");
  again.client.close();
});

test("a machine that is lost is told as such, never as an exit", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  const watcher = await openSession(daemon, { attach: id, mode: "watch" });
  const [machine] = daemon.engine.machines.values();
  machine?.finish({ reason: "crashed", detail: "kernel panic" });
  for (const one of [client, watcher.client]) {
    const error = await one.event("error");
    expect(error).toMatchObject({ code: "machine_lost" });
    expect(error.error).toContain("kernel panic");
    expect(one.events.some(({ type }) => type === "exit")).toBe(false);
  }
});

test("when the line to the guest alone is lost, its client hears that the session goes on", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  client.stdin("before");
  await says(client, "before");
  daemon.machine.body.guest.disconnect();
  expect(await client.event("error")).toMatchObject({ code: "connection_lost" });
  const again = await openSession(daemon, { attach: id, from: 6 });
  again.client.stdin(" after");
  await says(again.client, " after");
  again.client.close();
});

test("attaching wakes a sandbox that was stopped, and the session goes on", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  client.stdin("before");
  await says(client, "before");
  await daemon.call("POST", "/sandboxes/dev/stop");
  expect(await client.event("error")).toMatchObject({ code: "machine_lost" });
  const again = await openSession(daemon, { attach: id, from: 6 });
  again.client.stdin(" after");
  await says(again.client, " after");
  again.client.close();
});

test("whoever comes and goes at whatever byte has all of it in the end, and nothing twice", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, piped);
  let sent = "";
  let seen = "";
  let current = client;
  for (let n = 0; n < 40; n += 1) {
    const line = `${n} ${"x".repeat((n * 37) % 900)}\n`;
    current.stdin(line);
    sent += line;
    const { length } = sent;
    await until("it was said", async () => (await oneSession(daemon, id)).log_bytes === length);
    current.close();
    await current.closed;
    seen += current.stdout;
    current = (await openSession(daemon, { attach: id, from: seen.length })).client;
  }
  current.tell({ type: "stdin_end" });
  await current.closed;
  expect(seen + current.stdout).toBe(sent);
});

test.each([
  {
    change: "restore",
    request: ["POST", "/snapshots/ready/restore", { sandbox: "dev" }],
    error: 'Sandbox "dev" ended while running the command: it was restored to a snapshot',
    hint: "List its sessions: bhatti ps <sandbox>",
  },
  {
    change: "destroy",
    request: ["DELETE", "/sandboxes/dev", undefined],
    error: 'Sandbox "dev" ended while running the command: it was destroyed',
    hint: "List sandboxes: bhatti ls",
  },
] as const)(
  "a $change of the sandbox names itself to an attached client",
  async ({ request: [method, path, body], error, hint }) => {
    await using daemon = await withSandbox();
    await daemon.call("POST", "/sandboxes/dev/checkpoint", { name: "ready" });
    const { client } = await openSession(daemon, piped);
    expect((await daemon.call(method, path, body)).status).toBe(200);
    expect(await client.event("error")).toMatchObject({ code: "machine_lost", error, hint });
  },
);
