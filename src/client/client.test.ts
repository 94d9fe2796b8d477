import { afterAll, beforeAll, expect, test } from "bun:test";
import { webSocketConnector } from "../cli/web-socket.ts";
import { Client } from "./client.ts";
import { bytesOf } from "./received.ts";

/** Accepts and never answers; or with `head`, never to the end. */
function listen(head: string) {
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        if (head) socket.write(head);
      },
    },
  });
}

let silent: ReturnType<typeof listen>;
let halting: ReturnType<typeof listen>;
beforeAll(() => {
  silent = listen("");
  halting = listen("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
});
afterAll(() => {
  silent.stop(true);
  halting.stop(true);
});

function clientOf({ port }: { port: number }) {
  const url = `http://127.0.0.1:${port}`;
  const client = new Client({
    url,
    token: "t",
    fetch: (address, init) => fetch(address, init),
    connectWebSocket: webSocketConnector(fetch),
  });
  const failure = {
    code: "daemon_unreachable",
    message: `the daemon at ${url} did not respond within 0.05 s`,
  };
  return { client, failure };
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a daemon that accepts and never answers is given up", async () => {
  const { client, failure } = clientOf(silent);
  expect(await errorOf(client.call("sandbox.list", { query: {} }, 50))).toMatchObject(failure);
});

test("and one that stops in the middle of its answer", async () => {
  const { client, failure } = clientOf(halting);
  expect(await errorOf(client.call("version.get", {}, 50))).toMatchObject(failure);
});

test("and one that never begins with what it is to send", async () => {
  const { client, failure } = clientOf(silent);
  const input = { params: { ref: "dev" }, query: { path: "notes" } };
  const reading = client.transfer("file.read", input, { milliseconds: 50 });
  expect(await errorOf(reading)).toMatchObject(failure);
});

test("and one that stops in the middle of it", async () => {
  const { client } = clientOf(halting);
  const response = await client.transfer("file.read", {
    params: { ref: "dev" },
    query: { path: "notes" },
  });
  const bytes = Array.fromAsync(bytesOf(response, { silenceMs: 50 }));
  expect(await errorOf(bytes)).toMatchObject({
    code: "connection_lost",
    message: "the response of the daemon ended early, after 1 bytes",
  });
});

test("and one that never upgrades", async () => {
  const { client, failure } = clientOf(silent);
  const upgrading = client.upgrade("exec.stream", { params: { ref: "dev" } }, undefined, 50);
  expect(await errorOf(upgrading)).toMatchObject(failure);
});

test("a WebSocket on which nothing comes any more is lost", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no")),
    websocket: { message() {}, sendPings: false },
  });
  const url = `ws://127.0.0.1:${server.port}`;
  const channel = await webSocketConnector(fetch)(url, { headers: {}, silenceMs: 60 });
  const messages = await Array.fromAsync(channel.messages);
  expect(messages).toEqual([]);
  await server.stop(true);
});

test("the runtime's own idle timeout of five minutes does not end a call", async () => {
  let timeout: unknown;
  const client = new Client({
    url: "http://127.0.0.1:1",
    token: "t",
    fetch: async (_, init) => {
      ({ timeout } = init as { timeout?: unknown });
      return Response.json([]);
    },
    connectWebSocket: webSocketConnector(fetch),
  });
  await client.call("sandbox.list", { query: {} });
  expect(timeout).toBe(false);
});

test("a call is given up when the daemon no longer answers anything, long before its deadline", async () => {
  let healthChecks = 0;
  using server = Bun.serve({
    port: 0,
    idleTimeout: 0,
    fetch: ({ url }) => {
      if (!url.endsWith("/health")) return new Promise<Response>(() => {});
      healthChecks += 1;
      return healthChecks < 3 ? new Response("{}") : new Promise<Response>(() => {});
    },
  });
  const client = new Client({
    url: server.url.origin,
    token: "t",
    fetch: (address, init) => fetch(address, init),
    connectWebSocket: webSocketConnector(fetch),
    life: { ask: 10, answer: 500, again: 10 },
  });
  expect(await errorOf(client.call("sandbox.stop", { params: { ref: "dev" } }))).toMatchObject({
    code: "daemon_unreachable",
    message: `the daemon at ${server.url.origin} did not respond within 0.5 s`,
  });
  expect(healthChecks).toBe(3);
  server.stop(true);
});

test("a call survives probes of the daemon that fail", async () => {
  let probes = 0;
  const client = new Client({
    url: "http://127.0.0.1:1",
    token: "t",
    fetch: async (address, { signal }) => {
      if (!address.endsWith("/health")) {
        const answer = Promise.withResolvers<Response>();
        signal?.addEventListener("abort", () => answer.reject(signal.reason));
        answered.promise.then(() => answer.resolve(new Response("[]")));
        return await answer.promise;
      }
      probes += 1;
      if (probes === 5) answered.resolve();
      if (probes % 2 === 0) return new Response("{}");
      throw new Error("the connection was reset");
    },
    connectWebSocket: webSocketConnector(fetch),
    life: { ask: 1, answer: 60_000, again: 1 },
  });
  const answered = Promise.withResolvers<void>();
  expect((await client.call("sandbox.list", { query: {} })).result).toEqual([]);
  expect(probes).toBe(5);
});

test("a call is given up when every probe of the daemon fails for too long", async () => {
  let probes = 0;
  const client = new Client({
    url: "http://127.0.0.1:1",
    token: "t",
    fetch: (address, { signal }) => {
      if (address.endsWith("/health")) {
        probes += 1;
        throw new Error("the connection was refused");
      }
      const { promise, reject } = Promise.withResolvers<Response>();
      signal?.addEventListener("abort", () => reject(signal.reason));
      return promise;
    },
    connectWebSocket: webSocketConnector(fetch),
    life: { ask: 1, answer: 200, again: 10 },
  });
  expect(await errorOf(client.call("sandbox.list", { query: {} }))).toMatchObject({
    code: "daemon_unreachable",
    message: "the daemon at http://127.0.0.1:1 did not respond within 0.2 s",
  });
  expect(probes).toBeGreaterThan(1);
});

test("a lost connection leads to the operation that it may have started", async () => {
  using closing = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.terminate() },
  });
  const { client } = clientOf(closing);
  const ref = { params: { ref: "dev" } };
  expect(await errorOf(client.call("sandbox.stop", ref))).toMatchObject({
    code: "daemon_unreachable",
    hint: "The operation may have started; check it: bhatti operation list",
  });
  expect(await errorOf(client.call("sandbox.get", ref))).toMatchObject({
    hint: "Check the daemon log, or start the daemon: bhatti serve",
  });
});
