/** Streams of files over the API: tar both ways, changes, and that nothing is held in memory on the way. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { packTar, unpackTar } from "modern-tar";
import { FileChange } from "../../src/contract/files.ts";
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

test("a directory as a tar stream, there and back", async () => {
  const tar = await packTar([
    { header: { name: "empty/", type: "directory", size: 0, mode: 0o700 } },
    { header: { name: "bin/run", size: 4, mode: 0o755 }, body: "true" },
    { header: { name: "link", type: "symlink", linkname: "bin/run", size: 0 } },
  ]);
  const pushed = await daemon.fetch(at("app", {}, "/tar"), { method: "PUT", body: tar });
  expect([pushed.status, await pushed.json()]).toEqual([200, { entries: 3, bytes: 4 }]);
  expect(await (await get("app/link")).text()).toBe("true");
  const pulled = await daemon.fetch(at("app", {}, "/tar"));
  expect(pulled.headers.get("content-type")).toBe("application/x-tar");
  const entries = await unpackTar(await pulled.bytes());
  expect(
    entries
      .map(({ header: { name, type, mode, linkname } }) => [name, type, mode, linkname])
      .sort(),
  ).toEqual([
    ["bin/", "directory", 0o755, ""],
    ["bin/run", "file", 0o755, ""],
    ["empty/", "directory", 0o700, ""],
    ["link", "symlink", 0o777, "bin/run"],
  ]);
  const one = await unpackTar(await (await daemon.fetch(at("app/bin/run", {}, "/tar"))).bytes());
  expect(one.map(({ header }) => header.name)).toEqual(["run"]);
});

test("what is skipped of a push is counted", async () => {
  const tar = await packTar([
    { header: { name: "pipe", type: "fifo", size: 0 } },
    { header: { name: "file", size: 1 }, body: "x" },
  ]);
  const pushed = await daemon.fetch(at("app", {}, "/tar"), { method: "PUT", body: tar });
  expect(await pushed.json()).toEqual({ entries: 1, bytes: 1, skipped: 1 });
});

test.each([
  ["no tar at all", new TextEncoder().encode("x".repeat(2000)), "bad_request"],
  ["one that is cut off", new Uint8Array(700).fill(65), "bad_request"],
])("a push of %s is refused", async (_what, body, code) => {
  const pushed = await daemon.fetch(at("app", {}, "/tar"), { method: "PUT", body });
  expect((await refused(pushed)).code).toBe(code);
});

test("a name that leads out of the directory is refused", async () => {
  const tar = await packTar([{ header: { name: "../out", size: 1 }, body: "x" }]);
  const pushed = await daemon.fetch(at("app", {}, "/tar"), { method: "PUT", body: tar });
  expect((await refused(pushed)).code).toBe("unsafe_path");
});

async function* linesOf(response: Response): AsyncGenerator<Record<string, unknown>> {
  let rest = "";
  const decoder = new TextDecoder();
  if (!response.body) return;
  for await (const chunk of response.body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter(Boolean)) yield JSON.parse(line);
  }
}

test("changes as they happen, until the client goes", async () => {
  const gone = new AbortController();
  const watch = await daemon.fetch(at("/workspace", {}, "/watch"), { signal: gone.signal });
  expect(watch.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = linesOf(watch);
  await post("mkdir", { path: "new" });
  const { value } = await lines.next();
  expect(FileChange.parse(value)).toEqual({
    type: "created",
    path: "/workspace/new",
    is_dir: true,
  });
  await post("move", { from: "new", to: "other" });
  expect((await lines.next()).value).toMatchObject({
    type: "moved",
    path: "/workspace/other",
    from: "/workspace/new",
  });
  expect(await isInUse()).toBe(true);
  gone.abort();
  await until("it is let go", async () => !(await isInUse()));
});

test("a machine that is lost in the middle is the last line", async () => {
  const watch = await daemon.fetch(at("/workspace", {}, "/watch"));
  const [machine] = daemon.engine.machines.values();
  machine?.finish({ reason: "crashed", detail: "kernel panic" });
  const lines = await Array.fromAsync(linesOf(watch));
  expect(lines).toMatchObject([
    { type: "error", code: "machine_lost", error: expect.stringContaining("kernel panic") },
  ]);
});

/** How much of the file the guest's agent has read for those who are at it. */
async function bytesRead(name: string): Promise<number> {
  const script = `for p in /proc/[0-9]*; do
    [ -z "$(find $p/fd -lname '*/${name}')" ] || sed -n 's/^rchar: //p' $p/io
  done`;
  const cmd = ["sh", "-c", script];
  const request = { cmd, user: "root" };
  const { body } = await daemon.call<{ stdout: string }>("POST", "/sandboxes/dev/exec", request);
  return Number(body.stdout);
}

test("a reader that stalls costs no memory, and a read that fails is cut off", async () => {
  const size = 300_000_000;
  await put("big", "");
  truncateSync(daemon.onDisk("workspace/big"), size);
  using connection = await RawConnection.open(daemon.url);
  connection.send(
    `GET ${at("big")} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\n\r\n`,
  );
  await until("an answer", () => connection.bytes > 0);
  connection.stall();
  let before = -1;
  await until("the read stalls", async () => {
    before = await bytesRead("big");
    await Bun.sleep(100);
    return before > 0 && (await bytesRead("big")) === before;
  });
  expect(before).toBeLessThan(32_000_000);
  daemon.machine.finish({ reason: "crashed", detail: "kernel panic" });
  connection.resume();
  await connection.closed;
  expect(connection.bytes).toBeLessThan(size);
});
