/** Files over the API: what can be asked for, and what it answers. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { endpoints } from "../../src/contract/all.ts";
import type { FileEntry } from "../../src/contract/files.ts";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { fileCalls, refused } from "../support/file-calls.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

let daemon: FakeDaemon;
const { at, put, get, post, isInUse, renew } = fileCalls(() => daemon);
beforeAll(async () => {
  daemon = await startFakeDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(renew);

test("what is written is read again, byte for byte", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  const written = await put("/workspace/a b/ü\n.bin", bytes, { mode: "0600" });
  expect([written.status, await written.json()]).toEqual([200, { status: "ok" }]);
  const read = await get("/workspace/a b/ü\n.bin");
  expect(read.status).toBe(200);
  expect(Object.fromEntries(read.headers)).toMatchObject({
    "content-type": "application/octet-stream",
    "content-length": "50000",
    "x-file-size": "50000",
    "x-file-mode": "0600",
    "x-file-isdir": "false",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  expect(await read.bytes()).toEqual(bytes);
});

test("a path that is relative is below /workspace, an empty file is a file", async () => {
  await put("notes", "");
  const read = await get("/workspace/notes");
  expect([read.status, read.headers.get("content-length"), await read.text()]).toEqual([
    200,
    "0",
    "",
  ]);
});

test.each([
  [{ offset: "2" }, "two\nthree\n"],
  [{ offset: "2", limit: "1" }, "two\n"],
  [{ limit: "2", max_bytes: "5" }, "one\nt"],
  [{ offset: "9" }, ""],
])("a part of it: %p", async (query, text) => {
  await put("lines", "one\ntwo\nthree\n");
  const read = await get("lines", query);
  expect([read.headers.get("x-file-size"), await read.text()]).toEqual(["14", text]);
});

test("HEAD tells about it and reads nothing", async () => {
  await put("big", new Uint8Array(1_000_000));
  // It would fail if it read.
  chmodSync(daemon.onDisk("workspace/big"), 0);
  const head = await daemon.fetch(at("big"), { method: "HEAD" });
  expect(Object.fromEntries(head.headers)).toMatchObject({
    "x-file-size": "1000000",
    "x-file-mode": "0000",
    "x-file-isdir": "false",
  });
  expect((await get("big")).status).toBe(403);
  const directory = await daemon.fetch(at("/workspace"), { method: "HEAD" });
  expect(directory.headers.get("x-file-isdir")).toBe("true");
  expect((await daemon.fetch(at("nothing"), { method: "HEAD" })).status).toBe(404);
});

test("a directory's entries, by name", async () => {
  await put("b/file", "123", { mode: "0755" });
  await put("a", "");
  await daemon.call("POST", "/sandboxes/dev/files/mkdir", { path: "c", mode: "0700" });
  const reply = await get("", {}); // the path is missing
  expect(await refused(reply)).toMatchObject({ status: 400, code: "bad_request" });
  const list = await get("/workspace", { ls: "true" });
  expect(list.headers.get("x-bhatti-truncated")).toBe("false");
  const entries = (await list.json()) as FileEntry[];
  expect(entries.map(({ name, is_dir, mode }) => ({ name, is_dir, mode }))).toEqual([
    { name: "a", is_dir: false, mode: "0644" },
    { name: "b", is_dir: true, mode: "0755" },
    { name: "c", is_dir: true, mode: "0700" },
  ]);
  for (const entry of entries) endpoints["file.stat"].result.strict().parse(entry);
  const { body } = await daemon.call<FileEntry>("GET", at("b/file", {}, "/stat"));
  expect(body).toMatchObject({ name: "file", size: 3, type: "file", uid: 1000 });
});

test("more entries than are listed at once", async () => {
  const make = "mkdir many && cd many && seq 10001 | xargs touch";
  await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["sh", "-c", make] });
  const list = await get("many", { ls: "true" });
  expect(list.headers.get("x-bhatti-truncated")).toBe("true");
  expect((await list.json()) as unknown[]).toHaveLength(10_000);
});

test("make, move, copy, remove", async () => {
  expect((await post("mkdir", { path: "x/y" })).body).toMatchObject({
    code: "path_not_found",
    hint: "Create parent directories too: -p (parents=true in the API)",
  });
  expect(await post("mkdir", { path: "x/y", parents: true })).toMatchObject({
    status: 201,
    body: { status: "ok" },
  });
  expect((await post("mkdir", { path: "x" })).body.code).toBe("path_exists");
  await put("x/one", "1");
  expect((await post("move", { from: "x/one", to: "x/y" })).status).toBe(200);
  expect(await (await get("x/y/one")).text()).toBe("1");
  expect((await post("copy", { from: "x", to: "z" })).body.code).toBe("is_directory");
  expect((await post("copy", { from: "x", to: "z", recursive: true })).status).toBe(200);
  expect(await (await get("z/y/one")).text()).toBe("1");
  const remove = (query: Record<string, string>) => daemon.call("DELETE", at("z", query));
  expect((await remove({})).body.code).toBe("directory_not_empty");
  expect((await remove({ recursive: "true" })).status).toBe(200);
  expect((await get("z/y/one")).status).toBe(404);
});

test.each<[string, Record<string, string>, number, string]>([
  ["nothing", {}, 404, "path_not_found"],
  ["/workspace", {}, 400, "is_directory"],
  ["file/below", {}, 400, "not_directory"],
  ["file", { ls: "true" }, 400, "not_directory"],
  ["/root/key", {}, 403, "permission_denied"],
  ["", {}, 400, "bad_request"],
  ["a\0b", {}, 400, "bad_request"],
  ["file", { offset: "-1" }, 400, "bad_request"],
  ["file", { limit: "-1" }, 400, "bad_request"],
  ["file", { as_root: "yes" }, 400, "bad_request"],
])("reading %p with %p is refused: %d %s", async (path, query, status, code) => {
  await put("file", "text");
  expect(await refused(await get(path, query))).toMatchObject({ status, code });
});

test.each<[string, Record<string, string>, number, string]>([
  ["/workspace", {}, 400, "is_directory"],
  ["file/below", {}, 400, "not_directory"],
  ["/root/key", {}, 403, "permission_denied"],
  ["file", { mode: "9999" }, 400, "bad_request"],
])("writing %p with %p is refused: %d %s", async (path, query, status, code) => {
  await put("file", "text");
  expect(await refused(await put(path, "new", query))).toMatchObject({ status, code });
  expect(await (await get("file")).text()).toBe("text");
});

test("root may write where the user may not", async () => {
  expect((await put("/root/key", "secret", { as_root: "true" })).status).toBe(200);
  expect(await (await get("/root/key", { as_root: "true" })).text()).toBe("secret");
});

test("a sandbox that is another's, or none, is not found", async () => {
  const { key } = daemon.operator.users.create({ name: `eve-${crypto.randomUUID().slice(0, 8)}` });
  expect((await daemon.call("GET", at("file"), undefined, key)).body.code).toBe(
    "sandbox_not_found",
  );
});

test("a file that is too large is refused before it is sent, and wakes nobody", async () => {
  await daemon.call("POST", "/sandboxes/dev/stop");
  using connection = await RawConnection.open(daemon.url);
  const head = (length: string) =>
    `PUT ${at("file")} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\n${length}\r\n\r\n`;
  connection.send(head("Content-Length: 104857601"));
  await until("an answer", () => connection.bytes > 0);
  expect(connection.text).toContain("413");
  expect(connection.text).toContain('"file_too_large"');
  expect((await daemon.call<Sandbox>("GET", "/sandboxes/dev")).body.thermal).toBe("cold");
});

test("a body without a length is refused", async () => {
  const body = new Blob(["text"]).stream().pipeThrough(new TransformStream());
  const response = await daemon.fetch(at("file"), { method: "PUT", body });
  expect(await refused(response)).toMatchObject({ status: 400, code: "bad_request" });
});

test("a client that goes in the middle leaves the old file, and nothing in use", async () => {
  await put("file", "old");
  const connection = await RawConnection.open(daemon.url);
  connection.send(
    `PUT ${at("file")} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\nContent-Length: 1000\r\n\r\nnew`,
  );
  await until("it is taken", isInUse);
  connection[Symbol.dispose]();
  await until("it is let go", async () => !(await isInUse()));
  expect(await (await get("file")).text()).toBe("old");
});
