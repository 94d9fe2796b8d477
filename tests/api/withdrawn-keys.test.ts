/** Rotating or deleting a key disconnects its clients, as revoking a share does. */
import { expect, test } from "bun:test";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Session } from "../../src/contract/sessions.ts";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { type FakeDaemon, type Refusal, startFakeDaemon } from "../support/fake-daemon.ts";
import { PlainSocket } from "../support/plain-socket.ts";
import { until } from "../support/until.ts";

const reason = "the API key was rotated or deleted";

async function withSandbox() {
  const daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const rotate = () => daemon.operator.users.rotateKey("ada").key;
  const dispose = () => daemon[Symbol.asyncDispose]();
  return { daemon, rotate, [Symbol.asyncDispose]: dispose };
}

async function isIdle(daemon: FakeDaemon, key: string): Promise<boolean> {
  const { body } = await daemon.call<Sandbox>("GET", "/sandboxes/dev", undefined, key);
  return !body.activity.reason.startsWith("in use");
}

test.each([
  ["a shell", { shell: "new", tty: { rows: 24, cols: 80 } }],
  ["a command with a terminal", { cmd: ["sleep", "600"], tty: { rows: 24, cols: 80 } }],
  ["a session", { cmd: ["sleep", "600"], session: true }],
])("%s is detached and keeps running when the key is rotated", async (_what, request) => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const socket = await ExecSocketClient.start(daemon, "dev", request);
  const { session_id } = await socket.event("session");
  const watcher = await ExecSocketClient.start(daemon, "dev", {
    attach: session_id,
    mode: "watch",
  });
  await watcher.event("session");
  const key = sandbox.rotate();
  for (const one of [socket, watcher]) {
    expect(await one.event("error")).toMatchObject({ code: "unauthorized", error: reason });
    expect(await one.closed).toBe(1008);
  }
  await until("the session is detached", async () => {
    const path = "/sandboxes/dev/sessions";
    const { body } = await daemon.call<Session[]>("GET", path, undefined, key);
    return body[0]?.running === true && !body[0].attached && body[0].watchers === 0;
  });
});

test("commands over WebSockets are released when their user is deleted", async () => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const { key } = daemon.operator.users.create({ name: "bob" });
  const socket = new PlainSocket(daemon, "/sandboxes/own/exec/stream", {
    authorization: `Bearer ${key}`,
  });
  await socket.opened;
  daemon.operator.users.delete("bob");
  expect(await socket.told("error")).toMatchObject({ code: "unauthorized", error: reason });
  expect(await socket.closed).toBe(1008);
  expect((await daemon.call("GET", "/sandboxes/dev")).status).toBe(200);
});

test("a followed log and the sockets of earlier clients end when the key is rotated", async () => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const command = await ExecSocketClient.start(daemon, "dev", {
    cmd: ["sleep", "600"],
    session: true,
  });
  const { session_id } = await command.event("session");
  const sockets = [
    new PlainSocket(daemon, `/sandboxes/dev/sessions/${session_id}/log/stream`),
    new PlainSocket(daemon, "/sandboxes/dev/ws"),
    new PlainSocket(daemon, `/sandboxes/dev/exec/ws?session=${session_id}`),
  ];
  for (const socket of sockets) await socket.greeting();
  const key = sandbox.rotate();
  for (const socket of sockets) {
    expect(await socket.told("error")).toMatchObject({ code: "unauthorized", error: reason });
    expect(await socket.closed).toBe(1008);
  }
  await until("nothing is in use", () => isIdle(daemon, key));
});

test.each([
  ["NDJSON of exec", "POST", "exec", { cmd: ["yes"] }],
  ["a watch of files", "GET", "files/watch?path=.", undefined],
] as const)("%s ends with an error when the key is rotated", async (_what, method, path, body) => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const response = await daemon.fetch(`/sandboxes/dev/${path}`, {
    method,
    headers: { accept: "application/x-ndjson" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const reader = response.body?.getReader();
  await reader?.read();
  const key = sandbox.rotate();
  let text = "";
  const decoder = new TextDecoder();
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    text = (text + decoder.decode(next.value)).slice(-1000);
  }
  const last = JSON.parse(text.trimEnd().split("\n").at(-1) ?? "");
  expect(last).toMatchObject({ type: "error", code: "unauthorized", error: reason });
  await until("nothing is in use", () => isIdle(daemon, key));
});

test("a followed log over HTTP is cut off when the key is rotated", async () => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const started = await daemon.call<{ session_id: string }>("POST", "/sandboxes/dev/exec", {
    cmd: ["sh", "-c", "echo ready; sleep 600"],
    detach: true,
  });
  const path = `/sandboxes/dev/sessions/${started.body.session_id}/log?follow=true`;
  const response = await daemon.fetch(path);
  const reader = response.body?.getReader();
  await reader?.read();
  const key = sandbox.rotate();
  await expect(
    (async () => {
      while (!(await reader?.read())?.done);
    })(),
  ).rejects.toThrow();
  await until("nothing is in use", () => isIdle(daemon, key));
});

test("a buffered command and an upload are refused when the key is rotated", async () => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  const body = JSON.stringify({ cmd: ["sleep", "600"] });
  const running = daemon.fetch("/sandboxes/dev/exec", { method: "POST", body });
  const upload = daemon.fetch("/sandboxes/dev/files/tar?path=d", {
    method: "PUT",
    body: new ReadableStream({ pull: () => new Promise(() => {}) }),
  });
  await until("both run", async () => {
    const { body: shown } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
    return shown.activity.reason.includes("exec") && shown.activity.reason.includes("files");
  });
  const key = sandbox.rotate();
  for (const answer of [await running, await upload]) {
    expect(answer.status).toBe(401);
    expect((await answer.json()) as Refusal).toMatchObject({ code: "unauthorized", error: reason });
  }
  await until("nothing is in use", () => isIdle(daemon, key));
});

test("another user's streams stay", async () => {
  await using sandbox = await withSandbox();
  const { daemon } = sandbox;
  daemon.operator.users.create({ name: "bob" });
  const socket = await ExecSocketClient.start(daemon, "dev", { cmd: ["cat"], stdin: true });
  await socket.event("session");
  const { key } = daemon.operator.users.rotateKey("bob");
  const other = new PlainSocket(daemon, "/sandboxes/none/exec/stream", {
    authorization: `Bearer ${key}`,
  });
  await other.opened;
  daemon.operator.users.rotateKey("bob");
  await other.closed;
  socket.stdin("still here");
  socket.tell({ type: "stdin_end" });
  expect(await socket.closed).toBe(1000);
  expect(socket.stdout).toBe("still here");
});
