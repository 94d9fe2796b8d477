/** The web shell's page and its socket, without a browser. */
import { expect, test } from "bun:test";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { listSessions, openSession, says, size } from "../support/sessions.ts";
import { until } from "../support/until.ts";
import { knock, shareOf, visit } from "../support/web-shell.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function withSandbox() {
  const daemon = await startFakeDaemon();
  const { id } = await daemon.create({ name: "dev" });
  return Object.assign(daemon, { id });
}

test("a link leads to a shell: its name first, then a terminal as bytes, then how it ended", async () => {
  await using daemon = await withSandbox();
  const share = await shareOf(daemon);
  expect(share).toEqual({
    token: expect.stringMatching(/^[0-9a-f]{64}$/),
    url: `${daemon.url}/_shell/${daemon.id}#token=${share.token}`,
  });
  const { socket } = await visit(daemon, daemon.id, share.token, { rows: 30, cols: 100 });
  expect(JSON.parse(socket.texts[0] ?? "")).toEqual({
    ...{ type: "connected", sandbox: "dev", status: "running", thermal: "hot" },
  });
  socket.send(bytes("stty size\r"));
  await says(socket, "30 100");
  socket.send('{"type":"resize","rows":50,"cols":132}');
  socket.send(bytes("stty size\r"));
  await says(socket, "50 132");
  socket.send(bytes("exit 3\r"));
  expect(await socket.told("exit")).toEqual({ type: "exit", exit_code: 3, reason: "exited" });
  expect(await socket.closed).toBe(1000);
  const [event] = await daemon.events("shell.web_session");
  const meta = JSON.parse(event?.meta ?? "");
  expect(meta).toEqual({ ip: "127.0.0.1", duration_s: expect.any(Number), read_only: false });
});

test("who comes back gets the same shell, from where it was left; another's shell it does not get", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  const { socket, session } = await visit(daemon, daemon.id, token);
  socket.send(bytes("echo fi''rst\r"));
  await until("the next prompt", () => /first\r\n.*\$ $/s.test(socket.stdout));
  const seen = socket.stdout.length;
  socket.close();
  await daemon.restart(); // also of the daemon
  const again = await visit(daemon, daemon.id, token, { session, from: seen });
  expect([again.session, again.offset]).toEqual([session, seen]);
  again.socket.send(bytes("echo sec''ond\r"));
  await says(again.socket, "second");
  expect(again.socket.stdout).not.toContain("first");
  const own = await openSession(daemon, { cmd: ["bash"], tty: size });
  const thief = await knock(daemon, daemon.id, { type: "auth", token, session: own.id });
  expect(await thief.told("error")).toMatchObject({ code: "session_not_found" });
  const next = await shareOf(daemon);
  again.socket.close();
  own.client.close();
  const stranger = await knock(daemon, daemon.id, { type: "auth", token: next.token, session });
  expect(await stranger.told("error")).toMatchObject({ code: "session_not_found" });
});

test("a read-only link shows the newest terminal, and takes nothing", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon, { read_only: true });
  const alone = await knock(daemon, daemon.id, { type: "auth", token });
  expect(await alone.told("error")).toMatchObject({
    error: "No terminal session to watch",
  });
  const { client, id } = await openSession(daemon, { shell: "new", tty: size });
  client.stdin("echo se''en\r");
  const watcher = await visit(daemon, daemon.id, token);
  expect(watcher.session).toBe(id);
  await says(watcher.socket, "seen");
  watcher.socket.send(bytes("echo meddled\r"));
  watcher.socket.send('{"type":"resize","rows":5,"cols":5}');
  client.stdin("stty size\r");
  await says(watcher.socket, "24 80");
  expect(client.stdout).not.toContain("meddled");
  const sizes = () => watcher.socket.texts.filter((text) => JSON.parse(text).type === "size");
  expect(sizes()).toEqual(['{"type":"size","rows":24,"cols":80}']);
  client.tell({ type: "resize", rows: 50, cols: 132 });
  await until("it is told", () => sizes().length === 2);
  expect(sizes()[1]).toBe('{"type":"size","rows":50,"cols":132}');
  expect(await listSessions(daemon)).toMatchObject([{ watchers: 1, attached: true }]);
  watcher.socket.close();
  client.close();
});

test("who takes in nothing stalls the shell, and not the daemon's memory", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  const { socket, session } = await visit(daemon, daemon.id, token, { window: 65_536 });
  socket.send(bytes("head -c 10000000 /dev/zero\r"));
  await until("it has got a window full", () => socket.stdout.length > 65_536);
  await Bun.sleep(50);
  const got = socket.stdout.length;
  expect(got).toBeLessThan(65_536 + 65_536);
  socket.send(JSON.stringify({ type: "taken", bytes: got }));
  await until("it gets more", () => socket.stdout.length > got);
  const [one] = await listSessions(daemon);
  expect(one?.session_id).toBe(session);
  expect(one?.log_bytes).toBeLessThan(1_000_000);
  socket.send("garbage");
  expect(await socket.told("error")).toMatchObject({ code: "bad_request" });
});

test("the page is the same for every id, and strict about what it may do", async () => {
  await using daemon = await withSandbox();
  await shareOf(daemon);
  const get = async (path: string) => {
    const answer = await fetch(`${daemon.url}${path}`);
    const nonce = /'nonce-([^']+)'/.exec(answer.headers.get("content-security-policy") ?? "")?.[1];
    const text = (await answer.text()).replaceAll(nonce ?? "", "NONCE");
    const headers = Object.fromEntries(answer.headers);
    for (const name of ["x-request-id", "date", "content-security-policy"]) delete headers[name];
    return { status: answer.status, nonce, text, headers };
  };
  const real = await get(`/_shell/${daemon.id}`);
  const unreal = await get("/_shell/nobody");
  const slashed = await get(`/_shell/${daemon.id}/`);
  expect(real.status).toBe(200);
  expect(real.nonce).not.toBe(unreal.nonce);
  expect(unreal).toEqual({ ...real, nonce: unreal.nonce });
  expect(slashed).toEqual({ ...real, nonce: slashed.nonce });
  expect(real.text).not.toMatch(/<(script|link|img|iframe)[^>]*(src|href)="(?!data:)/);
  expect(real.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
  const { headers } = await fetch(`${daemon.url}/_shell/x`);
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy).toStartWith("default-src 'none'; script-src 'nonce-");
  expect(policy).not.toContain("unsafe");
  expect(policy).toContain("frame-ancestors 'none'");
  expect((await get("/_shell/")).status).toBe(404);
  expect((await get("/_shell/x/y")).status).toBe(404);
  expect((await fetch(`${daemon.url}/_shell/x`, { method: "POST" })).status).toBe(405);
});
