import { afterAll, beforeAll, expect, test } from "bun:test";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { RawConnection, textFrame } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const nameRule =
  "must start with a letter or digit, followed by up to 62 letters, digits, dots, underscores or hyphens";

test.each([
  [{ name: "-dev" }, `name: ${nameRule} (got "-dev")`],
  [{ name: "a/b" }, `name: ${nameRule} (got "a/b")`],
  [{ name: "a".repeat(64) }, `name: ${nameRule} (got "${"a".repeat(64)}")`],
  [{ name: 7 }, "name: must be a string (got 7)"],
  [{ cpus: 1.5 }, "cpus: must be a whole number of vCPUs (got 1.5)"],
  [{ cpus: "2" }, 'cpus: must be a whole number of vCPUs (got "2")'],
  [{ cpus: -1 }, "cpus: must be between 1 and 64 (got -1)"],
  [{ cpus: 65 }, "cpus: must be between 1 and 64 (got 65)"],
  [{ memory_mb: -1 }, "memory_mb: must be at least 0 (got -1)"],
  [{ memory_mb: 64 }, "memory_mb: must be at least 128, the minimum to boot a guest (got 64)"],
  [{ memory_mb: 128.5 }, "memory_mb: must be a whole number (got 128.5)"],
  [{ disk_size_mb: 32 }, 'disk_size_mb: must be at least 64, the size of image "tiny" (got 32)'],
  [
    { env: { "1A": "x" } },
    "env.1A: must be letters, digits and underscores, not starting with a digit",
  ],
  [{ env: { A: "secret\0" } }, "env.A: must not contain a NUL byte"],
  [{ env: { A: 7 } }, "env.A: must be a string"],
  [{ env: ["A=1"] }, "env: must be an object"],
  [{ labels: { "bhatti.sh/x": "y" } }, /^labels\.bhatti\.sh\/x: must not start with bhatti\.sh\//],
  [{ labels: { a: "b c" } }, /^labels\.a: must be at most 256 letters/],
  [
    { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])) },
    "labels: must be at most 16 labels",
  ],
  [{ files: [{ guest_path: "etc", content: "" }] }, "files.0.guest_path: must be an absolute path"],
  [{ files: [{ guest_path: "/a", content: "%%" }] }, "files.0.content: must be base64"],
  [{ files: [{ guest_path: "/a" }] }, "files.0.content: is required"],
  [
    { files: [{ guest_path: "/a", content: "", mode: "999" }] },
    "files.0.mode: must be three octal digits such as 0644",
  ],
  [
    { files: [{ guest_path: "/a\0", content: "" }] },
    "files.0.guest_path: must not contain a NUL byte",
  ],
  [{ init: "true\0" }, "init: must not contain a NUL byte"],
  [{ hugepages: true }, "hugepages: must be false: a sandbox's memory is a file (got true)"],
  [{ secrets: ["KEY"] }, "secrets: must be empty: secrets are planned for version 0.5.0"],
  [
    { persistent_volumes: [{ name: "v", mount: "/v" }] },
    "persistent_volumes: must be empty: volumes are planned for version 0.4.0",
  ],
  [
    { from: "dev", image: "tiny" },
    'image: cannot be combined with from: a fork copies it from its source (got "tiny")',
  ],
  [{ color: null }, "color: unknown field"],
  [{ keep_hot: "yes" }, 'keep_hot: must be true or false (got "yes")'],
  [[], "body: must be an object"],
  ["text", 'body: must be an object (got "text")'],
])("create %j", async (request, message) => {
  const { status, body } = await daemon.call("POST", "/sandboxes", request);
  expect(status).toBe(400);
  expect(body.code).toBe("bad_request");
  expect(body.request_id).toMatch(/^req_[0-9a-f]{16}$/);
  if (typeof message === "string") expect(body.error).toBe(message);
  else expect(body.error).toMatch(message);
  expect(daemon.engine.machines.size).toBe(1);
});

test.each([
  [{}, "cmd: is required"],
  [{ cmd: [] }, "cmd: must have at least one item"],
  [{ cmd: "ls" }, "cmd: must be a list"],
  [{ cmd: ["a\0b"] }, "cmd.0: must not contain a NUL byte"],
  [{ cmd: ["ls"], timeout_sec: -5 }, "timeout_sec: must be between 1 and 86400 seconds (got -5)"],
  [
    { cmd: ["ls"], timeout_sec: 86401 },
    "timeout_sec: must be between 1 and 86400 seconds (got 86401)",
  ],
  [{ cmd: ["ls"], timeout_sec: 1.5 }, "timeout_sec: must be a whole number of seconds (got 1.5)"],
  [{ cmd: ["ls"], workdir: "tmp" }, 'workdir: must be an absolute path (got "tmp")'],
  [{ cmd: ["ls"], workdir: "/a\0" }, 'workdir: must not contain a NUL byte (got "/a\\u0000")'],
  [{ cmd: ["ls"], stdin: true }, "stdin: unknown field"],
])("exec %j", async (request, message) => {
  const { status, body } = await daemon.call("POST", "/sandboxes/dev/exec", request);
  expect(status).toBe(400);
  expect(body.error).toBe(message);
});

test("an unknown image is 404 and named", async () => {
  const { status, body } = await daemon.call("POST", "/sandboxes", { image: "nope" });
  expect(status).toBe(404);
  expect(body).toMatchObject({ code: "image_not_found", error: 'Image "nope" not found' });
});

test("an unknown sandbox is 404 for every verb", async () => {
  for (const [method, path] of [
    ["GET", "/sandboxes/nope"],
    ["DELETE", "/sandboxes/nope"],
  ] as const) {
    const { status, body } = await daemon.call(method, path);
    expect(status).toBe(404);
    expect(body.code).toBe("sandbox_not_found");
  }
  const exec = await daemon.call("POST", "/sandboxes/nope/exec", { cmd: ["true"] });
  expect(exec.body.code).toBe("sandbox_not_found");
});

test("an unknown path is 404, another method 405 with those that are allowed", async () => {
  const nowhere = await daemon.call("GET", "/nowhere");
  expect(nowhere.status).toBe(404);
  expect(nowhere.body).toMatchObject({
    code: "not_found",
    error: "no such endpoint: GET /nowhere",
  });
  const wrong = await daemon.call("PUT", "/sandboxes/dev");
  expect(wrong.status).toBe(405);
  expect(wrong.body.code).toBe("method_not_allowed");
  expect(wrong.headers.get("allow")).toBe("GET, PATCH, DELETE");
});

test("a body that is no JSON, or none", async () => {
  for (const [body, message] of [
    ["{", "body: must be JSON"],
    ["", "body: must be JSON (got nothing)"],
  ] as const) {
    const response = await daemon.fetch("/sandboxes", { method: "POST", body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "bad_request", error: message });
  }
});

test.each([
  ["/sandboxes", { name: "a", env: { A: "x\ud800" } }, "env.A", "\\ud800"],
  ["/sandboxes", { name: "a", env: { "A\udc00": "x" } }, "env.A\ufffd", "\\udc00"],
  ["/sandboxes", { name: "\udfff\ud83d\ude00" }, "name", "\\udfff"],
  ["/sandboxes/dev/exec", { cmd: ["echo", "\ud83d"] }, "cmd.1", "\\ud83d"],
  ["/sandboxes/dev/files/mkdir", { path: "a\ud83d" }, "path", "\\ud83d"],
  ["/templates", { name: "t", init: "\ud83dx" }, "init", "\\ud83d"],
  ["/sandboxes", "\ud83d", "body", "\\ud83d"],
])("an unpaired surrogate in %s %j is refused by field", async (path, request, field, shown) => {
  const { status, body } = await daemon.call("POST", path, request);
  expect(status).toBe(400);
  expect(body).toMatchObject({
    code: "bad_request",
    error: `${field}: must be Unicode text (got the unpaired surrogate ${shown})`,
  });
});

test("a surrogate pair that is written as two escapes is text", async () => {
  const { status, body } = await daemon.call<{ stdout: string }>("POST", "/sandboxes/dev/exec", {
    cmd: ["echo", "\ud83d\ude00"],
  });
  expect(status).toBe(200);
  expect(body.stdout).toBe("😀\n");
  const escaped = '{"cmd":["echo","\\ud83d\\ude00"]}';
  const response = await daemon.fetch("/sandboxes/dev/exec", { method: "POST", body: escaped });
  expect(await response.json()).toMatchObject({ stdout: "😀\n" });
});

test("a body that is not UTF-8 is refused", async () => {
  const body = new Uint8Array([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]);
  const response = await daemon.fetch("/sandboxes", { method: "POST", body });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: "body: must be UTF-8" });
});

test("a body of 500,000 nested lists is refused", async () => {
  const body = `${"[".repeat(500_000)}"\\ud800"${"]".repeat(500_000)}`;
  const response = await daemon.fetch("/sandboxes", { method: "POST", body });
  expect(response.status).toBe(400);
});

test.each([
  ["GET", "/sandboxes/dev/files?path=%FF", 'path: must be percent-encoded UTF-8 (got "%FF")'],
  ["PUT", "/sandboxes/dev/files?path=a%FFb", 'path: must be percent-encoded UTF-8 (got "a%FFb")'],
  ["GET", "/sandboxes/%C3%28", 'path: must be percent-encoded UTF-8 (got "%C3%28")'],
  ["DELETE", "/sandboxes/100%", 'path: must be percent-encoded UTF-8 (got "100%")'],
  ["GET", "/sandboxes?label=a%3D%ED%A0%80", /^label: must be percent-encoded UTF-8/],
  ["GET", "/sandboxes?%FF=1", 'query: must be percent-encoded UTF-8 (got "%FF")'],
])("%s %s is refused", async (method, path, message) => {
  using connection = await RawConnection.open(daemon.url);
  const auth = `Authorization: Bearer ${daemon.key}\r\n`;
  connection.send(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 1\r\nConnection: close\r\n\r\nx`,
  );
  await connection.closed;
  expect(connection.text).toStartWith("HTTP/1.1 400 ");
  const { code, error } = JSON.parse(connection.text.split("\r\n\r\n")[1] ?? "");
  expect(code).toBe("bad_request");
  if (typeof message === "string") expect(error).toBe(message);
  else expect(error).toMatch(message);
  const listed = await daemon.call<{ name: string }[]>(
    "GET",
    "/sandboxes/dev/files?path=.&ls=true",
  );
  expect(listed.body.map(({ name }) => name)).not.toContain("%FF");
});

test("an unpaired surrogate in a WebSocket message is refused by field", async () => {
  const socket = await ExecSocketClient.start(daemon, "dev", { cmd: ["echo", "\ud800"] });
  const { error, code } = await socket.event("error");
  expect(code).toBe("bad_request");
  expect(error).toBe("cmd.1: must be Unicode text (got the unpaired surrogate \\ud800)");
});

test("a WebSocket text message that is not UTF-8 ends the connection", async () => {
  using connection = await RawConnection.open(daemon.url);
  connection.send(
    `GET /sandboxes/dev/exec/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await until("the upgrade", () => connection.bytes > 0);
  connection.send(
    textFrame(Uint8Array.of(...Buffer.from('{"cmd":["'), 0xff, ...Buffer.from('"]}'))),
  );
  await connection.closed;
  expect(daemon.engine.machines.size).toBe(1);
});
