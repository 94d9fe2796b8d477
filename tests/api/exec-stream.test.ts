import { expect, test } from "bun:test";
import { stdinWindowBytes } from "../../src/contract/exec-limits.ts";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { generousLimits, startFakeDaemon } from "../support/fake-daemon.ts";
import { zeros } from "../support/guest-commands.ts";
import { until } from "../support/until.ts";

async function withSandbox() {
  const daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const start = (request: object) => ExecSocketClient.start(daemon, "dev", request);
  const dispose = () => daemon[Symbol.asyncDispose]();
  return { daemon, start, [Symbol.asyncDispose]: dispose };
}

test("session, output, exit, close", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sh", "-c", "echo out; echo err >&2; exit 4"] });
  expect(await socket.closed).toBe(1000);
  expect(socket.events).toEqual([
    { type: "session", session_id: expect.stringMatching(/^sess-/), pid: expect.any(Number) },
    { type: "exit", exit_code: 4, reason: "exited" },
  ]);
  expect(socket.stdout).toBe("out\n");
  expect(socket.stderr).toBe("err\n");
});

test("stdin goes in and its end is told", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["cat"], stdin: true });
  socket.stdin("one ");
  socket.stdin("two");
  socket.tell({ type: "stdin_end" });
  await socket.closed;
  expect(socket.stdout).toBe("one two");
});

test("stdin is taken by credit, however much there is", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["wc", "-c"], stdin: true });
  const total = 8 * 1024 * 1024;
  const chunk = new Uint8Array(65_536);
  const granted = () =>
    socket.events.reduce((sum, e) => sum + (e.type === "stdin_credit" ? e.bytes : 0), 0);
  for (let sent = 0; sent < total; sent += chunk.length) {
    const room = () => stdinWindowBytes + granted() - sent >= chunk.length;
    await until("credit", room);
    socket.stdin(chunk);
  }
  socket.tell({ type: "stdin_end" });
  await socket.closed;
  expect(socket.stdout).toBe(`${total}\n`);
});

test("stdin beyond the credit ends the connection", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sleep", "60"], stdin: true });
  for (let i = 0; i < 9; i += 1) socket.stdin(new Uint8Array(65_536));
  const error = await socket.event("error");
  expect(error.code).toBe("bad_request");
  expect(error.error).toContain("must stay within the credit");
  expect(await socket.closed).toBe(1008);
});

test("a terminal has a size, and can be resized", async () => {
  await using sandbox = await withSandbox();
  const small = await sandbox.start({ cmd: ["stty", "size"], tty: { rows: 24, cols: 80 } });
  await small.closed;
  expect(small.stdout).toBe("24 80\r\n");
  const script = ["sh", "-c", "cat; stty size"];
  const resized = await sandbox.start({ cmd: script, stdin: true, tty: { rows: 24, cols: 80 } });
  resized.tell({ type: "resize", rows: 50, cols: 132 });
  resized.tell({ type: "stdin_end" });
  await resized.closed;
  expect(resized.stdout).toBe("50 132\r\n");
});

test("a signal ends the command", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sleep", "60"] });
  await socket.event("session");
  socket.tell({ type: "signal", signal: "INT" });
  expect(await socket.event("exit")).toEqual({
    type: "exit",
    exit_code: 130,
    reason: "signal",
    signal: "SIGINT",
  });
});

test("a timeout is told as such", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sleep", "60"], timeout_sec: 1 });
  expect(await socket.event("exit")).toMatchObject({ exit_code: 137, reason: "timeout" });
});

test("all of a large output arrives", async () => {
  await using sandbox = await withSandbox();
  const total = 50 * 1024 * 1024;
  const socket = await sandbox.start({ cmd: zeros(total) });
  await socket.closed;
  expect(socket.stdoutBytes).toBe(total);
});

test("the end of a command does not wait for the end of stdin", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["true"], stdin: true });
  expect(await socket.event("exit")).toMatchObject({ exit_code: 0 });
  expect(await socket.closed).toBe(1000);
});

test("a client that leaves lets go of the command", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["yes"] });
  await socket.event("session");
  socket.close();
  const { logLines } = sandbox.daemon;
  await until("the command was let go", () => logLines.some((line) => line.includes('"lost"')));
});

test.each([
  ["{}", "cmd: is required"],
  ['{"cmd":["ls"],"tty":{"rows":0,"cols":1}}', "tty.rows: must be between 1 and 65535 (got 0)"],
  ["nonsense", "first message: must be JSON"],
  ['{"cmd":["ls"],"detach":true}', "detach: unknown field"],
])("a bad first message: %s", async (message, error) => {
  await using sandbox = await withSandbox();
  const socket = new ExecSocketClient(sandbox.daemon, "dev");
  await socket.opened;
  socket.raw(message);
  expect(await socket.closed).toBe(1008);
  expect(socket.events).toEqual([
    { type: "error", error, code: "bad_request", request_id: expect.stringMatching(/^req_/) },
  ]);
});

test.each([
  ['{"type":"dance"}', /^type: /],
  ['{"type":"signal","signal":"; rm"}', /^signal: must be a signal name/],
  [
    '{"type":"signal","signal":"FOO"}',
    /^signal: must be a signal name, with or without SIG: HUP, INT, .*, SYS \(got "FOO"\)$/,
  ],
  ['{"type":"signal","signal":"SIGSIGINT"}', /^signal: must be a signal name/],
  [Uint8Array.of(1, 2, 3), /^binary frame: must start with byte 0/],
  [Uint8Array.of(0, 65), /^stdin: is not accepted without stdin or tty/],
])("a bad later message: %s", async (message, error) => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sleep", "60"] });
  socket.raw(message);
  expect(await socket.closed).toBe(1008);
  expect((await socket.event("error")).error).toMatch(error);
});

test("output stops at the window until the client has taken some", async () => {
  await using sandbox = await withSandbox();
  const total = 1_000_000;
  const window = 65_536;
  const socket = await sandbox.start({ cmd: zeros(total), window });
  let got = 0;
  while (got < total) {
    const before = got;
    await until("the window is full, or all has come", () => {
      got = socket.stdoutBytes;
      return got === total || got - before >= window;
    });
    // One more message than the window holds is on its way at most.
    await Bun.sleep(20);
    expect(socket.stdoutBytes - before).toBeLessThan(2 * window);
    got = socket.stdoutBytes;
    socket.tell({ type: "taken", bytes: got - before });
  }
  expect(await socket.event("exit")).toMatchObject({ exit_code: 0 });
});

test.each([1000, 5_000_000, "x"])("a window of %p is refused", async (window) => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["true"], window });
  expect((await socket.event("error")).error).toContain("window");
});

test("an unknown sandbox and a rate limit are told on the socket", async () => {
  const limits = { ...generousLimits, execPerMinute: 1, execBurst: 1 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  const unknown = await ExecSocketClient.start(daemon, "nope", { cmd: ["true"] });
  expect(await unknown.event("error")).toMatchObject({ code: "sandbox_not_found" });
  const limited = new ExecSocketClient(daemon, "nope");
  expect(await limited.event("error")).toMatchObject({ code: "rate_limited", retry_after: 60 });
  expect(await limited.closed).toBe(1008);
});

test("the handshake needs the key", async () => {
  await using sandbox = await withSandbox();
  const socket = new ExecSocketClient(sandbox.daemon, "dev", "bht_wrong");
  await expect(socket.opened).rejects.toThrow();
  await socket.closed;
  const plain = await sandbox.daemon.call("GET", "/sandboxes/dev/exec/stream");
  expect(plain.status).toBe(426);
  expect(plain.headers.get("upgrade")).toBe("websocket");
  expect(plain.body).toMatchObject({
    error: "this endpoint requires a WebSocket upgrade",
    code: "upgrade_required",
  });
});

test("a machine that is lost is the last event", async () => {
  await using sandbox = await withSandbox();
  const socket = await sandbox.start({ cmd: ["sleep", "600"] });
  await socket.event("session");
  sandbox.daemon.machine.finish({ reason: "crashed", detail: "kernel panic" });
  expect(await socket.event("error")).toMatchObject({ code: "machine_lost" });
  expect(await socket.closed).toBe(1011);
});
