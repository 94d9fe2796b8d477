/** Commands for several names. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const name of ["a", "b"]) {
    await daemon.run(["destroy", name, "-y"]);
    await daemon.ok("create", "--name", name);
  }
});

test("stop, start and destroy take several sandboxes", async () => {
  expect(await daemon.ok("stop", "a", "b")).toBe("sandbox/a stopped\nsandbox/b stopped\n");
  expect(await daemon.ok("start", "a", "b")).toBe("sandbox/a started\nsandbox/b started\n");
  expect(await daemon.ok("rm", "a", "b", "-y")).toBe("sandbox/a destroyed\nsandbox/b destroyed\n");
});

test("one name that fails does not keep the others from being done", async () => {
  expect(await daemon.run(["stop", "nope", "a", "nada", "b"])).toMatchObject({
    code: 1,
    stdout: "sandbox/a stopped\nsandbox/b stopped\n",
    stderr:
      "nope: 404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n" +
      "nada: 404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n",
  });
});

test("--json prints an array for several names, and each error as an object", async () => {
  const { code, stdout, stderr } = await daemon.run(["inspect", "--json", "a", "nope", "b"]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject([{ name: "a" }, { name: "b" }]);
  expect(JSON.parse(stderr)).toMatchObject({ name: "nope", code: "sandbox_not_found" });
  expect(JSON.parse(await daemon.ok("inspect", "--json", "a"))).toMatchObject({ name: "a" });
});

test("inspect separates sandboxes by an empty line", async () => {
  expect(await daemon.ok("inspect", "a", "b")).toMatch(/^Name: +a\n(.*\n)*\nName: +b\n/);
});

test("destroy of several asks once, and names them all", async () => {
  const { code, stderr } = await daemon.run(["destroy", "a", "b"]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("-y") });
  expect(await daemon.ok("list")).toContain("a");
});

test("snapshot delete, kill, file mkdir and file rm take several names", async () => {
  for (const name of ["one", "two"]) await daemon.ok("snapshot", "create", "a", "--name", name);
  expect(await daemon.ok("snapshot", "delete", "one", "two", "-y")).toBe(
    "snapshot/one deleted\nsnapshot/two deleted\n",
  );
  const ids: string[] = [];
  for (let i = 0; i < 2; i++) {
    const started = await daemon.ok("exec", "--detach", "--json", "a", "--", "sleep", "444");
    ids.push(JSON.parse(started).session_id);
  }
  expect(await daemon.ok("kill", "a", ...ids)).toBe(
    ids.map((id) => `session/${id} killed\n`).join(""),
  );
  await daemon.ok("file", "mkdir", "a", "x", "y");
  const names = async () =>
    JSON.parse(await daemon.ok("file", "ls", "--json", "a", ".")).map(
      (entry: { name: string }) => entry.name,
    );
  expect(await names()).toEqual(expect.arrayContaining(["x", "y"]));
  await daemon.ok("file", "rm", "-r", "a", "x", "y");
  expect(await names()).not.toContain("x");
});
