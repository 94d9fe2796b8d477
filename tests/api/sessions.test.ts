/** Sessions over the API: what there is, signals, and what is known of them while the sandbox sleeps. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Session } from "../../src/contract/sessions.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";
import {
  leave,
  listSessions,
  logOf,
  oneSession,
  openSession,
  says,
  sessions,
  size,
  startDetached,
  withSandbox,
} from "../support/sessions.ts";
import { until } from "../support/until.ts";

const thermalOf = async (daemon: FakeDaemon) =>
  (await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.thermal;

test("a detached command is a session: its id at once, its output in a log", async () => {
  await using daemon = await withSandbox();
  const { status, body } = await daemon.call("POST", "/sandboxes/dev/exec", {
    cmd: ["sh", "-c", "echo out; echo err >&2; sleep 60"],
    detach: true,
    user: "root",
  });
  expect(status).toBe(200);
  expect(body).toEqual({
    detached: true,
    session_id: expect.stringMatching(/^sess-/),
    pid: expect.any(Number),
    output_file: expect.stringMatching(/^\/var\/log\/lohar\/sessions\/sess-.*\.log$/),
  } as never);
  const [session] = await listSessions(daemon);
  expect(session).toMatchObject({
    kind: "detached",
    argv: "sh -c echo out; echo err >&2; sleep 60",
    command: ["sh", "-c", "echo out; echo err >&2; sleep 60"],
    user: "root",
    tty: false,
    running: true,
    attached: false,
    watchers: 0,
  });
  const id = session?.session_id ?? "";
  await until("its output", async () => (await oneSession(daemon, id)).log_bytes === 8);
  expect(await (await logOf(daemon, id)).text()).toBe("out\nerr\n");
});

test("a plain command is no session, and those that ended are told when asked for", async () => {
  await using daemon = await withSandbox();
  const plain = await openSession(daemon, { cmd: ["sleep", "60"] });
  const { session_id } = await startDetached(daemon, "sh", "-c", "exit 3");
  await until("it ended", async () => (await listSessions(daemon)).length === 0);
  expect(await listSessions(daemon, "?all=true")).toEqual([
    expect.objectContaining({
      session_id,
      running: false,
      exit_code: 3,
      reason: "exited",
      ended_at: expect.any(Number),
    }) as never,
  ]);
  plain.client.close();
});

test("an init script is the session init", async () => {
  await using daemon = await withSandbox({ init: "echo begun; sleep 60" });
  const [init] = await listSessions(daemon);
  expect(init).toMatchObject({ session_id: "init", kind: "init", tty: true, running: true });
  const { client } = await openSession(daemon, { attach: "init", mode: "watch" });
  await says(client, "begun");
  client.close();
});

test("a signal, and the kill that is meant without one", async () => {
  await using daemon = await withSandbox();
  const first = await startDetached(daemon, "sleep", "60");
  const second = await startDetached(daemon, "sleep", "60");
  const kill = (id: string, body?: object) =>
    daemon.call<unknown>("POST", `${sessions}/${id}/kill`, body);
  expect((await kill(first.session_id, { signal: "TERM" })).body).toEqual({
    session_id: first.session_id,
    signal: "SIGTERM",
  });
  const ended = (id: string) => async () => !(await oneSession(daemon, id)).running;
  await until("it ended", ended(first.session_id));
  expect(await oneSession(daemon, first.session_id)).toMatchObject({
    ...{ running: false, exit_code: 143, reason: "signal", signal: "SIGTERM" },
  });
  expect((await kill(second.session_id)).status).toBe(200);
  await until("it ended", ended(second.session_id));
  expect(await oneSession(daemon, second.session_id)).toMatchObject({ exit_code: 137 });
  expect(await kill(second.session_id)).toMatchObject({
    status: 409,
    body: { code: "session_ended" },
  });
  expect(await kill("sess-none")).toMatchObject({
    status: 404,
    body: { code: "session_not_found" },
  });
  expect((await kill(second.session_id, { signal: "NOPE" })).status).toBe(400);
});

test("listing wakes nothing: of a sandbox that sleeps what it had is told, also by the next daemon", async () => {
  await using daemon = await withSandbox();
  const shell = await openSession(daemon, { shell: "new", tty: size });
  expect(await oneSession(daemon, shell.id)).toMatchObject({ attached: true, argv: "login shell" });
  await daemon.call("POST", "/sandboxes/dev/stop");
  await daemon.restart();
  const { body, headers } = await daemon.call<Session[]>("GET", sessions);
  expect(body).toEqual([
    expect.objectContaining({ session_id: shell.id, running: true, attached: false }) as never,
  ]);
  expect(headers.get("x-bhatti-as-of")).toMatch(/^\d{4}-.*Z$/);
  expect(await thermalOf(daemon)).toBe("cold");

  await daemon.call("POST", "/sandboxes/dev/start");
  const live = await daemon.call<Session[]>("GET", sessions);
  expect(live.headers.get("x-bhatti-as-of")).toBeNull();
  expect(live.body.map(({ session_id }) => session_id)).toEqual([shell.id]);
});

test("one that is paused by itself is remembered, too, and not woken", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev" });
  const shell = await openSession(daemon, { shell: "new", tty: size });
  await leave(daemon, shell.client, shell.id);
  await daemon.pass(100_000);
  expect(await thermalOf(daemon)).toBe("warm");
  expect((await listSessions(daemon)).map(({ session_id }) => session_id)).toEqual([shell.id]);
  expect(await thermalOf(daemon)).toBe("warm");
});

test("a detached command keeps its sandbox hot, a shell that nobody has does not", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev" });
  const { session_id } = await startDetached(daemon, "sleep", "600");
  await daemon.pass(300_000);
  expect(await thermalOf(daemon)).toBe("hot");
  await daemon.call("POST", `${sessions}/${session_id}/kill`);
  await daemon.pass(300_000);
  expect(await thermalOf(daemon)).not.toBe("hot");
});

test("a client that is attached keeps the sandbox hot, whatever it does", async () => {
  const clock = new ManualClock();
  await using daemon = await startFakeDaemon({ clock });
  await daemon.create({ name: "dev" });
  const { client, id } = await openSession(daemon, { shell: "new", tty: size });
  const watcher = await openSession(daemon, { attach: id, mode: "watch" });
  await daemon.pass(300_000);
  const { thermal, activity } = (await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body;
  expect([thermal, activity.reason]).toEqual(["hot", "in use: shell, attach"]);
  watcher.client.close();
  await leave(daemon, client, id);
  await daemon.pass(300_000);
  expect(await thermalOf(daemon)).not.toBe("hot");
});

test("a machine that starts from its disk has none of them", async () => {
  await using daemon = await withSandbox();
  await openSession(daemon, { shell: "new", tty: size });
  const [machine] = daemon.engine.machines.values();
  await daemon.call("POST", "/sandboxes/dev/stop");
  if (machine) machine.body.saved = "damaged";
  await daemon.call("POST", "/sandboxes/dev/start", { force: true });
  expect(await listSessions(daemon, "?all=true")).toEqual([]);
  await daemon.call("POST", "/sandboxes/dev/stop");
  expect(await listSessions(daemon, "?all=true")).toEqual([]);
});

test("of a guest that does not answer what it had is told, and when that was", async () => {
  await using daemon = await withSandbox();
  const { session_id } = await startDetached(daemon, "sleep", "60");
  const [machine] = daemon.engine.machines.values();
  if (!machine) throw new Error("it has no machine");
  machine.isDeaf = true;
  expect(await daemon.call("GET", sessions)).toMatchObject({
    status: 504,
    body: { code: "guest_unresponsive" },
  });
  machine.isDeaf = false;
  await daemon.call("POST", "/sandboxes/dev/stop");
  await daemon.call("POST", "/sandboxes/dev/start");
  const [awake] = daemon.engine.machines.values();
  if (awake) awake.isDeaf = true;
  const { body, headers } = await daemon.call<Session[]>("GET", sessions);
  expect(body).toMatchObject([{ session_id }]);
  expect(headers.get("x-bhatti-as-of")).not.toBeNull();
});

test("a detached command has the time that it was given, and no other limit", async () => {
  await using daemon = await withSandbox();
  const request = { cmd: ["sleep", "60"], detach: true, timeout_sec: 1 };
  const { body } = await daemon.call<{ session_id: string }>(
    "POST",
    "/sandboxes/dev/exec",
    request,
  );
  const limited = async () => await oneSession(daemon, body.session_id);
  await until("it was killed", async () => (await limited()).reason === "timeout");
  expect(await limited()).toMatchObject({ running: false, exit_code: 137 });
});

test("a guest that does not tell its sessions goes to sleep all the same", async () => {
  await using daemon = await withSandbox();
  const { machine } = daemon;
  const connect = machine.guest.bind(machine);
  const processes = () => Promise.reject(new Error("nonsense"));
  machine.guest = async (signal) =>
    Object.assign(Object.create(await connect(signal)), { processes });
  expect((await daemon.call("POST", "/sandboxes/dev/stop")).status).toBe(200);
  expect(await listSessions(daemon)).toEqual([]);
});

test("at most 20 sessions, and a typed error for the one too many", async () => {
  await using daemon = await withSandbox();
  for (let i = 0; i < 20; i += 1) await startDetached(daemon, "sleep", "60");
  const refused = await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["ls"], detach: true });
  expect(refused).toMatchObject({ status: 429, body: { code: "session_limit" } });
  expect((await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] })).status).toBe(200);
});

test("another user's sandbox is as good as none", async () => {
  await using daemon = await withSandbox();
  const eve = daemon.operator.users.create({ name: "eve" }).key;
  for (const [method, path] of [
    ["GET", sessions],
    ["POST", `${sessions}/init/kill`],
    ["GET", `${sessions}/init/log`],
  ] as const) {
    expect(await daemon.call(method, path, undefined, eve)).toMatchObject({
      status: 404,
      body: { code: "sandbox_not_found" },
    });
  }
});
