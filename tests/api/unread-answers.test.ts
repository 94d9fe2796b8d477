import { expect, test } from "bun:test";
import { generousLimits, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";
import { zeros } from "../support/guest-commands.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

const megabyte = 1_048_576;
const limits = {
  ...generousLimits,
  userAnswerBytes: 8 * megabyte,
  answerBytes: 16 * megabyte,
  stalledSeconds: 4,
};

async function withSandbox(more: Partial<typeof limits> = {}) {
  const daemon = await startFakeDaemon({ config: { limits: { ...limits, ...more } } });
  await daemon.create({ name: "dev" });
  return daemon;
}

/** Sends a request and reads no more than the beginning of its answer. */
async function unread(url: string, request: string, headers: string, body = "") {
  const connection = await RawConnection.open(url);
  connection.send(
    `${request} HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until("the answer begins", () => connection.bytes > 0);
  connection.stall();
  return connection;
}

const authorization = (key: string) => `Authorization: Bearer ${key}\r\n`;
const exec = (cmd: string[]) => JSON.stringify({ cmd });

test("unread exec answers of a user are bounded, then refused, then cut", async () => {
  await using daemon = await withSandbox();
  const ask = (key: string) =>
    unread(daemon.url, "POST /sandboxes/dev/exec", authorization(key), exec(zeros(10 * megabyte)));
  const before = process.memoryUsage().rss;
  const connections = [await ask(daemon.key)];
  const refused = await daemon.call<Refusal & { hint?: string }>("POST", "/sandboxes/dev/exec", {
    cmd: ["touch", "/tmp/ran"],
  });
  expect(refused.status).toBe(429);
  expect(refused.body).toMatchObject({
    code: "unread_limit",
    error: "your unread responses have reached the limit of 8 MB per user",
  });
  expect(refused.headers.get("retry-after")).toBe("5");
  connections.push(...(await Promise.all(Array.from({ length: 9 }, () => ask(daemon.key)))));
  expect(connections.slice(1).map(({ text }) => text.slice(0, 12))).toEqual(
    Array(9).fill("HTTP/1.1 429"),
  );
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * megabyte);

  const { key } = daemon.operator.users.create({ name: "bob" });
  const other = await daemon.call("POST", "/sandboxes", { name: "own" }, key);
  expect(other.status).toBe(201);
  const run = await daemon.call("POST", "/sandboxes/own/exec", { cmd: ["true"] }, key);
  expect(run.status).toBe(200);

  await until("there is room again", async () => {
    const { status } = await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] });
    return status === 200;
  });
  connections[0]?.resume();
  await connections[0]?.closed;
  const stat = await daemon.call("GET", "/sandboxes/dev/files/stat?path=/tmp/ran");
  expect(stat.status).toBe(404);
}, 120_000);

test("answers of all users together are bounded", async () => {
  await using daemon = await withSandbox({ answerBytes: 8 * megabyte });
  const { key } = daemon.operator.users.create({ name: "bob" });
  await daemon.call("POST", "/sandboxes", { name: "own" }, key);
  const request = "POST /sandboxes/dev/exec";
  const body = exec(zeros(10 * megabyte));
  using _ = await unread(daemon.url, request, authorization(daemon.key), body);
  const refused = await daemon.call("POST", "/sandboxes/own/exec", { cmd: ["true"] }, key);
  expect(refused.status).toBe(503);
  expect(refused.body.code).toBe("overloaded");
  expect(refused.headers.get("retry-after")).toBe("5");
}, 60_000);

test("output beyond the limit for unread answers is dropped and marked as truncated", async () => {
  await using daemon = await withSandbox({ userAnswerBytes: 2 * megabyte });
  const { status, body } = await daemon.call<{ stdout: string; truncated?: boolean }>(
    "POST",
    "/sandboxes/dev/exec",
    { cmd: zeros(5 * megabyte) },
  );
  expect(status).toBe(200);
  expect(body.truncated).toBeTrue();
  expect(body.stdout.length).toBeWithin(megabyte, 2 * megabyte + 1);
});

test("answers that are read leave nothing behind", async () => {
  await using daemon = await withSandbox({ userAnswerBytes: 2 * megabyte });
  for (let i = 0; i < 5; i += 1) {
    const { body } = await daemon.call<{ stdout: string; truncated?: boolean }>(
      "POST",
      "/sandboxes/dev/exec",
      { cmd: zeros(megabyte) },
    );
    expect(body.truncated).toBeUndefined();
    expect(body.stdout).toHaveLength(megabyte);
  }
});

test("a HEAD request of a long answer holds nothing", async () => {
  await using daemon = await withSandbox({ userAnswerBytes: megabyte });
  const env = { A: "x".repeat(900_000) };
  expect((await daemon.call("POST", "/templates", { name: "large", env })).status).toBe(201);
  for (let i = 0; i < 5; i += 1) {
    const head = await daemon.fetch("/templates/large", { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  }
  const { status, body } = await daemon.call<{ env: object }>("GET", "/templates/large");
  expect(status).toBe(200);
  expect(body.env).toEqual(env);
});

test("a client that reads with pauses gets all of its answer", async () => {
  await using daemon = await withSandbox({ stalledSeconds: 60 });
  const auth = authorization(daemon.key);
  using connection = await unread(
    daemon.url,
    "POST /sandboxes/dev/exec",
    auth,
    exec(zeros(4 * megabyte)),
  );
  let closed = false;
  void connection.closed.then(() => {
    closed = true;
  });
  // More at once than the buffers of both sockets hold, so that the daemon can send each time.
  const goal = 6 * 4 * megabyte;
  while (connection.bytes < goal && !closed) {
    connection.resume();
    const before = connection.bytes;
    await until("some of it", () => closed || connection.bytes >= Math.min(goal, before + 6e6));
    connection.stall();
    await Bun.sleep(300);
  }
  expect(connection.bytes).toBeGreaterThan(goal);
}, 120_000);

test("a connection that is kept alive for nothing ends", async () => {
  await using daemon = await withSandbox();
  for (const path of ["/sandboxes/dev", "/sandboxes/nope", "/version"]) {
    using connection = await RawConnection.open(daemon.url);
    connection.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization(daemon.key)}\r\n`);
    await connection.closed;
  }
}, 120_000);
