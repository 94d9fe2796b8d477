/** create, of which the daemon's side does not matter: what is sent, and what somebody who waits is told. */
import { beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, ensureBinary, runBinary, runInTerminal } from "../support/binary.ts";
import { until } from "../support/until.ts";

beforeAll(ensureBinary);

/** A daemon that answers every create when it may, and what it was sent. */
function creator(mayAnswer = Promise.resolve()) {
  const bodies: unknown[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      bodies.push(await request.json());
      await mayAnswer;
      return Response.json({ name: "dev", cpus: 1, memory_mb: 1024, disk_size_mb: 300, ip: "" });
    },
  });
  const env = {
    HOME: "/nonexistent",
    BHATTI_CONFIG: "/dev/null",
    BHATTI_URL: `http://127.0.0.1:${server.port}`,
    BHATTI_TOKEN: "x",
  };
  return { bodies, env, [Symbol.dispose]: () => void server.stop(true) };
}

test("--file says which files are executable", async () => {
  using daemon = creator();
  const directory = mkdtempSync(join(tmpdir(), "bhatti-files-"));
  using _cleanUp = { [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
  const file = (name: string, mode: number) => {
    const path = join(directory, name);
    writeFileSync(path, "");
    chmodSync(path, mode);
    return ["--file", `${path}:/workspace/${name}`];
  };
  const words = ["create", ...file("run", 0o700), ...file("read", 0o600)];
  expect(await runBinary(words, { env: daemon.env })).toMatchObject({ code: 0, stderr: "" });
  expect(daemon.bodies).toEqual([
    {
      files: [
        { guest_path: "/workspace/run", content: "", mode: "0755" },
        { guest_path: "/workspace/read", content: "", mode: "0644" },
      ],
    },
  ]);
});

test("one that takes long says why, to a person", async () => {
  const told = Promise.withResolvers<void>();
  using daemon = creator(told.promise);
  const asJson = runInTerminal([binary, "create", "--json"], daemon.env);
  const piped = runBinary(["create"], { env: daemon.env });
  await until("both wait", () => daemon.bodies.length === 2);
  const asked = runInTerminal([binary, "create"], daemon.env);
  await asked.shows("Booting a kernel");
  told.resolve();
  expect((await piped).stderr).toBe("");
  await Promise.all([asked.exited, asJson.exited]);
  expect(asked.screen()).toStartWith(
    "Booting a kernel for the first sandbox of this size takes about 30 s",
  );
  expect(asJson.screen()).toStartWith("{");
});
