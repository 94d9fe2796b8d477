/** The command line waits for the daemon's rate limits. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

/** Four at once, then ten a second. */
const tight = {
  exec_burst: 4,
  exec_per_minute: 600,
  read_burst: 4,
  read_per_minute: 600,
  create_burst: 1,
  create_per_minute: 60,
};

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon([], tight);
  await daemon.ok("create", "--name", "dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Uses up what there is, so that what follows is refused at first. */
async function reachLimit(): Promise<void> {
  const headers = { authorization: `Bearer ${daemon.key}` };
  const statuses = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const read = await fetch(`${daemon.url}/sandboxes`, { headers });
      const path = `${daemon.url}/sandboxes/dev/files?path=filler`;
      const write = await fetch(path, { method: "PUT", body: "x", headers });
      return [read.status, write.status];
    }),
  );
  expect(statuses.map(([read]) => read)).toContain(429);
  expect(statuses.map(([_, write]) => write)).toContain(429);
}

test("10 execs at once all succeed", async () => {
  const runs = Array.from({ length: 10 }, (_, i) => daemon.run(["exec", "dev", "echo", String(i)]));
  const outcomes = await Promise.all(runs);
  expect(outcomes.map(({ code, stdout }) => [code, stdout])).toEqual(
    outcomes.map((_, i) => [0, `${i}\n`]),
  );
});

test("exec sends all of its stdin after the wait", async () => {
  await reachLimit();
  const input = "line\n".repeat(100_000);
  expect(await daemon.run(["exec", "dev", "cat"], { stdin: input })).toMatchObject({
    code: 0,
    stdout: input,
  });
});

test("logs --follow waits on its WebSocket", async () => {
  const started = await daemon.ok("exec", "--detach", "--json", "dev", "--", "echo", "said");
  await reachLimit();
  expect(await daemon.ok("logs", "-f", "dev", JSON.parse(started).session_id)).toBe("said\n");
});

const content = "0123456789".repeat(200_000);

test.each(["pipe", "file"])("file write from a %s sends all of it after the wait", async (from) => {
  await reachLimit();
  if (from === "pipe") await daemon.run(["file", "write", "dev", "f"], { stdin: content });
  else {
    const path = join(daemon.home, "content");
    writeFileSync(path, content);
    const { exitCode } = await Bun.$`${binary} file write dev f < ${path}`.env(daemon.env).quiet();
    expect(exitCode).toBe(0);
  }
  await reachLimit();
  const { code, stdout } = await daemon.run(["file", "read", "dev", "f"]);
  expect({ code, isExact: stdout === content }).toEqual({ code: 0, isExact: true });
});

test("file push and pull wait", async () => {
  const [from, to] = [join(daemon.home, "from"), join(daemon.home, "to")];
  mkdirSync(from);
  writeFileSync(join(from, "f"), content);
  await reachLimit();
  expect(await daemon.ok("file", "push", "dev", from, "tree")).toBe("pushed 1 file, 2.0 MB\n");
  await reachLimit();
  await daemon.ok("file", "pull", "dev", "tree", to);
  expect(await Bun.file(join(to, "f")).text()).toBe(content);
});

test("list and create wait", async () => {
  await reachLimit();
  expect(await daemon.run(["list", "--json"])).toMatchObject({ code: 0, stderr: "" });
  expect(await daemon.run(["create", "--name", "dev"])).toMatchObject({ code: 0 });
  expect(await daemon.run(["create", "--name", "dev"])).toMatchObject({ code: 0 });
});

test("a long wait is said once on stderr, and one that is too long is the error", async () => {
  await using slow = await startCliDaemon([], { create_burst: 1, create_per_minute: 25 });
  await slow.ok("create", "--name", "dev");
  expect(await slow.run(["create", "--name", "dev"])).toMatchObject({
    code: 0,
    stderr: "The daemon's rate limit is reached; waiting…\n",
  });
  await using slower = await startCliDaemon([], { create_burst: 1, create_per_minute: 1 });
  await slower.ok("create", "--name", "dev");
  const { code, stderr } = await slower.run(["create", "--name", "dev"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^429 Too Many Requests: rate limit exceeded\nTry again in (59|60) s\n/);
});
