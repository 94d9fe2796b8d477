/** The WebSockets that clients of earlier programs use: `/ws` for terminals, `/exec/ws` for programs that speak over stdio. */
import { expect, test } from "bun:test";
import { type FakeDaemon, generousLimits, startFakeDaemon } from "../support/fake-daemon.ts";
import { PlainSocket } from "../support/plain-socket.ts";
import { listSessions, oneSession, says, withSandbox } from "../support/sessions.ts";
import { until } from "../support/until.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function openShell(daemon: FakeDaemon, query = "") {
  const socket = new PlainSocket(daemon, `/sandboxes/dev/ws${query}`);
  const { session_id } = await socket.greeting();
  return { socket, id: String(session_id) };
}

async function openPiped(daemon: FakeDaemon, request: object) {
  const socket = new PlainSocket(daemon, "/sandboxes/dev/exec/ws");
  await socket.opened;
  socket.send(JSON.stringify(request));
  const { session_id } = await socket.greeting();
  return { socket, id: String(session_id) };
}

async function detached(daemon: FakeDaemon, id: string) {
  await until("it is detached", async () => !(await oneSession(daemon, id)).attached);
}

test("/ws: a session's id, then bytes; keys as bytes or text; a size as JSON", async () => {
  await using daemon = await withSandbox();
  const { socket } = await openShell(daemon);
  expect(socket.texts).toEqual([expect.stringMatching(/^{"type":"session","session_id":"sess-/)]);
  await says(socket, "$ ");
  socket.send("stty size\r");
  await says(socket, "24 80");
  socket.send('{"type":"resize","rows":50,"cols":132}');
  socket.send(bytes("stty size\r"));
  await says(socket, "50 132");
  socket.send("{echo}");
  await says(socket, "{echo}");
  socket.send(bytes("\rexit 3\r"));
  expect(await socket.closed).toBe(1000);
});

test("/ws: the newest shell that nobody has, the one that is named, or a new one", async () => {
  await using daemon = await withSandbox();
  const first = await openShell(daemon);
  first.socket.send("echo mi''ne\r");
  await says(first.socket, "mine");
  first.socket.close();
  await detached(daemon, first.id);
  const again = await openShell(daemon);
  expect(again.id).toBe(first.id);
  await says(again.socket, "mine");
  const fresh = await openShell(daemon, "?new=true");
  expect(fresh.id).not.toBe(first.id);
  const thief = await openShell(daemon, `?session=${first.id}`);
  expect(await again.socket.told("error")).toMatchObject({ code: "session_taken" });
  expect(await again.socket.closed).toBe(1008);
  for (const { socket } of [fresh, thief]) socket.close();
});

test("/exec/ws: text in, text out, stderr in its place, and the exit code", async () => {
  await using daemon = await withSandbox();
  const { socket } = await openPiped(daemon, { cmd: ["sh", "-c", "echo out; echo err >&2; cat"] });
  socket.send('{"jsonrpc":"2.0"}\n');
  await until("the echo", () => socket.texts.slice(1).join("") === 'out\nerr\n{"jsonrpc":"2.0"}\n');
  const [session] = await listSessions(daemon);
  expect(session).toMatchObject({ kind: "piped", tty: false, attached: true });
  await daemon.call("POST", `/sandboxes/dev/sessions/${session?.session_id}/kill`);
  expect(await socket.told("exit")).toEqual({ type: "exit", exit_code: 137 });
  expect(await socket.closed).toBe(1000);
});

test("/exec/ws: who goes away comes back to what was said, and stdin is still open", async () => {
  await using daemon = await withSandbox();
  const { socket, id } = await openPiped(daemon, { cmd: ["cat"], env: { A: "1" } });
  socket.send("before ");
  await until("it", () => socket.texts.includes("before "));
  socket.close();
  await detached(daemon, id);
  const again = new PlainSocket(daemon, `/sandboxes/dev/exec/ws?session=${id}`);
  await until("the replay", () => again.texts.includes("before "));
  again.send(bytes("after"));
  await until("the rest", () => again.texts.slice(1).join("") === "before after");
  again.close();
  expect((await daemon.events("exec.piped_session")).length).toBeGreaterThan(0);
});

test("/exec/ws: no character is cut in two", async () => {
  await using daemon = await withSandbox();
  const script = "printf '\\342\\202'; sleep 0.1; printf '\\254\\377'";
  const { socket } = await openPiped(daemon, { cmd: ["sh", "-c", script] });
  expect(await socket.closed).toBe(1000);
  const [, ...rest] = socket.texts;
  expect(rest.filter((text) => !text.startsWith("{")).join("")).toBe("€\ufffd");
});

test.each([
  ["/ws?session=sess-none", undefined, "session_not_found"],
  ["/exec/ws?session=sess-none", undefined, "session_not_found"],
  ["/exec/ws", "nonsense", "bad_request"],
  ["/exec/ws", "{}", "bad_request"],
  ["/exec/ws", Uint8Array.of(1, 2), "bad_request"],
  ["/ws", '{"type":"resize","rows":0,"cols":0}', "bad_request"],
])("%s with %p: %s", async (path, message, code) => {
  await using daemon = await withSandbox();
  const socket = new PlainSocket(daemon, `/sandboxes/dev${path}`);
  await socket.opened;
  if (message !== undefined) socket.send(message);
  expect(await socket.told("error")).toMatchObject({ type: "error", code });
  expect(await socket.closed).toBe(1008);
  expect((await daemon.call("GET", "/sandboxes/dev")).status).toBe(200);
});

const sockets = ["/ws", "/exec/ws", "/exec/stream", "/sessions/init/log/stream"];

test("more input than a program takes ends the connection, not the session", async () => {
  await using daemon = await withSandbox();
  const { socket, id } = await openPiped(daemon, { cmd: ["sleep", "60"] });
  for (let i = 0; i < 60; i += 1) socket.send(new Uint8Array(100_000));
  expect((await socket.told("error"))["error"]).toContain("within the credit");
  expect(await oneSession(daemon, id)).toMatchObject({ running: true });
});

test.each(sockets)("%s needs the key, in its header", async (path) => {
  await using daemon = await withSandbox();
  const url = `/sandboxes/dev${path}?token=${daemon.key}`;
  const socket = new PlainSocket(daemon, url, {});
  await expect(socket.opened).rejects.toThrow();
  await socket.closed;
  const plain = await fetch(`${daemon.url}${url}`);
  expect(plain.status).toBe(401);
});

test("they count as commands do, and the limit is told on them", async () => {
  const limits = { ...generousLimits, execPerMinute: 1, execBurst: 1 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  await daemon.create({ name: "dev" });
  const first = await openShell(daemon);
  const second = new PlainSocket(daemon, "/sandboxes/dev/exec/ws");
  expect(await second.told("error")).toMatchObject({ code: "rate_limited" });
  first.socket.close();
});

test.each(sockets)("garbage on %s harms nothing", async (path) => {
  await using daemon = await withSandbox();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const pieces = [
    '{"type":',
    '"resize"',
    "{",
    "}",
    "[1]",
    '"cmd":["cat"]',
    "null",
    "\0",
    "\ud800",
    "é",
  ];
  for (let n = 0; n < 30; n += 1) {
    const socket = new PlainSocket(daemon, `/sandboxes/dev${path}`);
    await socket.opened;
    for (let m = 0; m < 10; m += 1) {
      const text = Array.from({ length: random(5) }, () => pieces[random(pieces.length)]).join("");
      socket.send(
        random(2) === 0 ? text : Uint8Array.from({ length: random(9) }, () => random(256)),
      );
    }
    socket.close();
    await socket.closed;
  }
  const all = await listSessions(daemon);
  for (const { session_id } of all) {
    await daemon.call("POST", `/sandboxes/dev/sessions/${session_id}/kill`);
  }
  const done = await daemon.call<{ stdout: string }>("POST", "/sandboxes/dev/exec", {
    cmd: ["echo", "fine"],
  });
  expect(done.body.stdout).toBe("fine\n");
  expect(daemon.logged('"internal"')).toBe(false);
});
