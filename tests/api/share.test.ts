/** Share links: who gets in with which token, for how long, and what everybody else is told. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { databasePath } from "../../src/store/store.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { PlainSocket } from "../support/plain-socket.ts";
import { says } from "../support/sessions.ts";
import { until } from "../support/until.ts";
import { knock, noKey, shareOf, visit } from "../support/web-shell.ts";

const unauthorized = '{"type":"error","error":"unauthorized"}';
const bytes = (text: string) => new TextEncoder().encode(text);

async function withSandbox(options: Parameters<typeof startFakeDaemon>[0] = {}) {
  const daemon = await startFakeDaemon(options);
  const { id } = await daemon.create({ name: "dev" });
  return Object.assign(daemon, { id });
}

const revoke = (daemon: FakeDaemon) =>
  daemon.fetch("/sandboxes/dev/shell-token", { method: "DELETE" });

/** All that somebody is told who is sent away. */
async function refusal(socket: PlainSocket) {
  const code = await socket.closed;
  return { code, texts: socket.texts };
}
const sentAway = { code: 1008, texts: [unauthorized] };

test("only the token's hash is kept", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  using database = new Database(databasePath(daemon.dataDir), { readonly: true });
  const [row] = database.query<{ token_hash: string }, []>("SELECT * FROM shares").all();
  expect(row?.token_hash).toBe(new Bun.CryptoHasher("sha256").update(token).digest("hex"));
  expect(daemon.logLines.join("")).not.toContain(token);
});

test("a sandbox says that it is shared, as long as the link lets somebody in", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const share = async () =>
    ((await (await daemon.fetch("/sandboxes/dev")).json()) as Sandbox).share;
  expect(await share()).toBeUndefined();
  const { expires_at } = await shareOf(daemon, { ttl_s: 60 });
  expect(await share()).toEqual({ expires_at });
  await clock.pass(60_000, async () => {});
  expect(await share()).toBeUndefined();
  await shareOf(daemon, { read_only: true });
  expect(await share()).toEqual({ read_only: true });
});

test("whatever is wrong, the answer is one and the same", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const other = await daemon.create({ name: "other" });
  const expiring = await shareOf(daemon, { ttl_s: 1 }, "other");
  await daemon.pass(1000);
  const { token } = await shareOf(daemon);
  const auth = { type: "auth", token };
  const wrong = { type: "auth", token: "0".repeat(64) };
  const cases: [string, string, Parameters<typeof knock>[2], Record<string, string>?][] = [
    ["a wrong token", daemon.id, wrong],
    ["no such sandbox", "ffffffffffffffff", auth],
    ["its name instead of its id", "dev", auth],
    ["another sandbox's token", other.id, auth],
    ["a link whose time is over", other.id, { type: "auth", token: expiring.token }],
    ["no JSON", daemon.id, "token"],
    ["another message", daemon.id, { type: "resize", rows: 1, cols: 1 }],
    ["bytes", daemon.id, bytes(JSON.stringify(auth))],
    ["a terminal of size -1", daemon.id, { ...auth, rows: -1 }],
    ["a message that does not end", daemon.id, `${JSON.stringify(auth)}${" ".repeat(100_000)}`],
    ["a page of another site", daemon.id, auth, { ...noKey, origin: "https://evil.example" }],
    ["a page of nowhere", daemon.id, auth, { ...noKey, origin: "null" }],
  ];
  for (const [what, id, first, headers] of cases) {
    // So many at once from one address would be too many, and after the fifth each waits for its answer.
    await daemon.pass(60_000);
    const told = await refusal(await knock(daemon, id, first, headers));
    expect({ what, ...told }).toEqual({ what, ...sentAway });
  }
  const own = { ...noKey, origin: daemon.url };
  const visitor = await knock(daemon, daemon.id, auth, own);
  expect(await visitor.told("connected")).toMatchObject({ sandbox: "dev" });
  visitor.close();
});

test("whoever guesses for long waits for each answer, and nobody else does", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const { token } = await shareOf(daemon);
  const wrong = { type: "auth", token: "0" };
  for (let n = 0; n < 5; n++) await refusal(await knock(daemon, daemon.id, wrong));
  const guess = await knock(daemon, daemon.id, wrong);
  const { socket } = await visit(daemon, daemon.id, token);
  socket.close();
  const guessed = clock.now();
  await until("the guess is answered", async () => {
    if (guess.texts.length === 0) await daemon.pass(100);
    return guess.texts.length > 0;
  });
  expect(await refusal(guess)).toEqual(sentAway);
  expect(clock.now() - guessed).toBeGreaterThanOrEqual(2000);
});

test("a new link puts an end to the old one, and to who came by it", async () => {
  await using daemon = await withSandbox();
  const old = await shareOf(daemon);
  const { socket } = await visit(daemon, daemon.id, old.token);
  const { token } = await shareOf(daemon);
  expect(await socket.told("error")).toEqual({
    ...{ type: "error", error: "the link was replaced", code: "revoked" },
  });
  expect(await socket.closed).toBe(1008);
  const auth = { type: "auth", token: old.token };
  expect(await refusal(await knock(daemon, daemon.id, auth))).toEqual(sentAway);
  (await visit(daemon, daemon.id, token)).socket.close();
});

test("a revoked link ends at once; revoking nothing succeeds; another user's sandbox is none", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  const { socket } = await visit(daemon, daemon.id, token);
  const { key } = daemon.operator.users.create({ name: "eve" });
  const path = "/sandboxes/dev/shell-token";
  for (const method of ["POST", "DELETE"]) {
    const { status, body } = await daemon.call(method, path, undefined, key);
    expect([status, body.code]).toEqual([404, "sandbox_not_found"]);
  }
  expect((await revoke(daemon)).status).toBe(204);
  expect(await socket.told("error")).toMatchObject({ code: "revoked" });
  expect(await refusal(await knock(daemon, daemon.id, { type: "auth", token }))).toEqual(sentAway);
  expect((await revoke(daemon)).status).toBe(204);
  expect(await daemon.events("share.revoked")).toHaveLength(1);
});

test("at the end of its time a link is refused, and who came by it is disconnected", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const before = clock.now();
  const { token, expires_at } = await shareOf(daemon, { ttl_s: 3600 });
  expect(Date.parse(expires_at ?? "") - before).toBe(3_600_000);
  const { socket } = await visit(daemon, daemon.id, token);
  await daemon.pass(3_599_000);
  socket.send(bytes("echo st''ill\r"));
  await says(socket, "still");
  await daemon.pass(1000);
  expect(await socket.told("error")).toMatchObject({
    code: "revoked",
    error: "the link expired",
  });
  expect(await refusal(await knock(daemon, daemon.id, { type: "auth", token }))).toEqual(sentAway);
});

test("who visits a sandbox that is destroyed is disconnected; copies of it have no link", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  const [fork] = (await daemon.call<{ id: string }[]>("POST", "/sandboxes/dev/fork")).body;
  const { socket } = await visit(daemon, daemon.id, token);
  const auth = { type: "auth", token };
  expect(await refusal(await knock(daemon, fork?.id ?? "", auth))).toEqual(sentAway);
  await daemon.call("DELETE", "/sandboxes/dev");
  expect(await socket.told("error")).toMatchObject({ error: "the sandbox was destroyed" });
  expect(await refusal(await knock(daemon, daemon.id, auth))).toEqual(sentAway);
});

test("five at most, which only those hear who have the token", async () => {
  await using daemon = await withSandbox();
  const { token } = await shareOf(daemon);
  const five = [];
  for (let n = 0; n < 5; n++) five.push(await visit(daemon, daemon.id, token));
  const auth = { type: "auth", token };
  const sixth = await refusal(await knock(daemon, daemon.id, auth));
  const told = '{"type":"error","error":"web session limit reached (5)","code":"session_limit"}';
  expect(sixth).toEqual({ code: 1008, texts: [told] });
  const wrong = { type: "auth", token: "0" };
  expect(await refusal(await knock(daemon, daemon.id, wrong))).toEqual(sentAway);
  five[0]?.socket.close();
  await five[0]?.socket.closed;
  five.push(await visit(daemon, daemon.id, token));
  for (const { socket } of five) socket.close();
});

test("who says nothing is sent away after ten seconds", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const socket = new PlainSocket(daemon, `/_shell/${daemon.id}/ws`, noKey);
  await socket.opened;
  await daemon.pass(9_999);
  await daemon.call("GET", "/version");
  expect(socket.texts).toEqual([]);
  await daemon.pass(1);
  expect(await refusal(socket)).toEqual(sentAway);
});

test("ten connections a second from one address", async () => {
  const clock = new ManualClock();
  await using daemon = await withSandbox({ clock });
  const admitted = async () => {
    const attempts = Array.from({ length: 50 }, () => fetch(`${daemon.url}/_shell/x/ws`));
    const statuses = (await Promise.all(attempts)).map(({ status }) => status);
    const those = statuses.filter((status) => status === 426).length;
    expect(statuses.filter((status) => status === 429)).toHaveLength(50 - those);
    return those;
  };
  expect(await admitted()).toBe(10);
  await daemon.pass(500);
  expect(await admitted()).toBe(5);
  await daemon.pass(60_000);
  expect(await admitted()).toBe(10);
});
