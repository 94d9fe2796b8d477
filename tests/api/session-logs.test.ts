/** Logs of sessions over the API: read, followed, and what ends that. */
import { expect, test } from "bun:test";
import { webSocketConnector } from "../../src/cli/web-socket.ts";
import { Client } from "../../src/client/client.ts";
import type { DaemonError } from "../../src/client/failure.ts";
import { followLog } from "../../src/client/log-stream.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, generousLimits, startFakeDaemon } from "../support/fake-daemon.ts";
import { PlainSocket } from "../support/plain-socket.ts";
import {
  logOf,
  oneSession,
  openSession,
  says,
  sessions,
  startDetached,
  withSandbox,
} from "../support/sessions.ts";
import { until } from "../support/until.ts";

test("a log is read whole, from its end, and followed until the session ends", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, { cmd: ["cat"], stdin: true, session: true });
  client.stdin("one\n");
  await says(client, "one\n");
  const whole = await logOf(daemon, id);
  expect(whole.headers.get("content-type")).toBe("application/octet-stream");
  expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
  expect(await whole.text()).toBe("one\n");
  expect(await (await logOf(daemon, id, "?tail=3")).text()).toBe("ne\n");
  const followed = (await logOf(daemon, id, "?follow=true")).text();
  client.stdin("two\n");
  client.tell({ type: "stdin_end" });
  expect(await followed).toBe("one\ntwo\n");
  expect((await logOf(daemon, "sess-none")).status).toBe(404);
  expect((await logOf(daemon, id, "?tail=x")).status).toBe(400);
});

test("a log of more than 20 MB starts with a whole line and reports the dropped bytes", async () => {
  await using daemon = await withSandbox();
  const write = "seq -f 'line %07.0f of many' 1 1200000";
  const { session_id } = await startDetached(daemon, "sh", "-c", write);
  await until("its end", async () => !(await oneSession(daemon, session_id)).running);
  const log = await logOf(daemon, session_id);
  const text = await log.text();
  const offset = Number(log.headers.get("x-bhatti-offset"));
  const line = "line 0000001 of many\n".length;
  expect(text.length).toBeWithin(10_000_000, 21_000_000);
  expect(offset + text.length).toBe(1_200_000 * line);
  expect(text).toStartWith(`line ${String(offset / line + 1).padStart(7, "0")} of many\n`);
  const connectWebSocket = webSocketConnector(fetch);
  const client = new Client({ url: daemon.url, token: daemon.key, fetch, connectWebSocket });
  const following = followLog(client, { ref: "dev", session: session_id });
  expect((await following.next()).value).toEqual({ type: "dropped", bytes: offset });
  await following.return(undefined);
});

test("a log that ends with its daemon does not look as if its session had ended", async () => {
  await using daemon = await withSandbox();
  const { session_id } = await startDetached(daemon, "sh", "-c", "echo out; sleep 60");
  await until("its output", async () => (await oneSession(daemon, session_id)).log_bytes > 0);
  const followed = await logOf(daemon, session_id, "?follow=true");
  await daemon.restart();
  await expect(followed.text()).rejects.toThrow();
});

/** Follows it as `bhatti logs -f` does: what came, and how it ended. */
async function follow(daemon: FakeDaemon, session: string, told: string[] = []) {
  const { url, key: token } = daemon;
  const client = new Client({ url, token, fetch, connectWebSocket: webSocketConnector(fetch) });
  try {
    for await (const event of followLog(client, { ref: "dev", session })) {
      told.push(event.type === "output" ? new TextDecoder().decode(event.data) : event.type);
    }
    return told.join(" ");
  } catch (error) {
    return [...told, (error as DaemonError).code].join(" ");
  }
}

test("following over a WebSocket ends with the session, and says why when it cannot go on", async () => {
  await using daemon = await withSandbox();
  const { client, id } = await openSession(daemon, { cmd: ["cat"], stdin: true, session: true });
  const followed = follow(daemon, id);
  client.stdin("one\n");
  client.tell({ type: "stdin_end" });
  expect(await followed).toBe("one\n");
  expect(await follow(daemon, "sess-none")).toBe("session_not_found");
});

test("following counts once, and the limit is told on the WebSocket", async () => {
  const limits = { ...generousLimits, readPerMinute: 1, readBurst: 1 };
  await using daemon = await startFakeDaemon({ config: { limits } });
  await daemon.create({ name: "dev" });
  for (const code of ["session_not_found", "rate_limited"]) {
    const socket = new PlainSocket(daemon, `${sessions}/sess-none/log/stream`);
    expect(await socket.told("error")).toMatchObject({ code });
  }
});

test("a log that is followed is cut by a stop, and does not start the sandbox again", async () => {
  await using daemon = await withSandbox();
  const { session_id } = await startDetached(daemon, "sh", "-c", "echo out; sleep 60");
  const told: string[] = [];
  const followed = follow(daemon, session_id, told);
  await until("it is followed", () => told.includes("out\n"));
  await daemon.call("POST", "/sandboxes/dev/stop");
  expect(await followed).toBe("out\n machine_lost");
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.status).toBe("stopped");
});

test("a client that stops following a log no longer keeps the sandbox hot", async () => {
  await using daemon = await withSandbox();
  const { session_id } = await startDetached(daemon, "sleep", "60");
  const reasonOf = async () =>
    (await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.activity.reason;
  const gone = new AbortController();
  const path = `${sessions}/${session_id}/log?follow=true`;
  const following = daemon.fetch(path, { signal: gone.signal });
  await until("it is in use", async () => (await reasonOf()) === "in use: logs");
  gone.abort();
  await following.then((response) => response.text()).catch(() => {});
  await until("it is no more", async () => !(await reasonOf()).startsWith("in use"));
  const socket = new PlainSocket(daemon, `${sessions}/${session_id}/log/stream`);
  await until("it is in use again", async () => (await reasonOf()) === "in use: logs");
  socket.close();
  await until("nobody follows it", async () => !(await reasonOf()).startsWith("in use"));
});
