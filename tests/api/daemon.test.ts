import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerConfig } from "../../src/config/schema.ts";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { FakeEngine } from "../../src/engine/fake/fake-engine.ts";
import { FakeHost } from "../../src/engine/fake/fake-host.ts";
import { BhattiError } from "../../src/errors/bhatti-error.ts";
import { createLogger, silentLogger } from "../../src/observability/log.ts";
import { openOperator } from "../../src/operator/operator.ts";
import { noteUndocumented } from "../../src/server/failure.ts";
import { ExecSocketClient } from "../support/exec-socket.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { until } from "../support/until.ts";

const dependencies = (engine: FakeEngine) => ({
  log: silentLogger,
  version: "1.2.3",
  runtimeDir: "/tmp",
  engine,
});

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof BhattiError ? error : undefined),
  );

test("version tells the engine", async () => {
  await using daemon = await startFakeDaemon();
  expect((await daemon.call("GET", "/version")).body as object).toEqual({
    version: "1.2.3",
    engine: "fake",
    accelerator: "none",
    accelerator_reason: "the fake engine runs nothing",
    network: "none",
    network_reason: "not with this engine",
    isolates: false,
    json_body_bytes: 1_048_576,
  });
});

test("a second daemon on the data directory is refused, until the first has ended", async () => {
  await using daemon = await startFakeDaemon();
  const second = () => startDaemon(daemon.config, dependencies(daemon.engine));
  const error = await failureOf(second());
  expect(error?.message).toStartWith(
    `Another bhatti daemon uses the data directory ${daemon.dataDir} (pid ${process.pid}, since `,
  );
  expect((await daemon.call("GET", "/sandboxes")).status).toBe(200);
  await daemon.stop();
  const other = await second();
  await other.stop();
});

test("a port that is taken is named, and nothing stays held", async () => {
  await using daemon = await startFakeDaemon();
  const listen = new URL(daemon.url).host;
  using folder = temporaryFolder();
  const dataDir = folder.path;
  const config = { ...daemon.config, listen, dataDir };
  await using host = new FakeHost();
  const start = (config: ServerConfig) =>
    startDaemon(config, dependencies(new FakeEngine({}, host)));
  const error = await failureOf(start(config));
  expect(error?.message).toBe(`Cannot listen on ${listen}: address already in use`);
  expect(error?.hint).toContain("listen:");
  const free = { ...config, listen: "127.0.0.1:0" };
  const other = await start(free);
  await other.stop();
});

test("a test whose daemon answered with an undocumented error fails when the daemon is disposed of", async () => {
  const end = async (undocumentedErrors?: "expected") => {
    const daemon = await startFakeDaemon({ ...(undocumentedErrors && { undocumentedErrors }) });
    const log = createLogger({ level: "debug", write: (line) => void daemon.logLines.push(line) });
    noteUndocumented("guest_busy", new Set(["name_taken"]), log);
    await daemon[Symbol.asyncDispose]();
    return daemon.dataDir;
  };
  await expect(end()).rejects.toThrow("guest_busy");
  expect(existsSync(await end("expected"))).toBe(false);
});

test("only its owner may look into the data directory", async () => {
  await using daemon = await startFakeDaemon();
  expect(statSync(daemon.dataDir).mode & 0o777).toBe(0o700);
});

test("the operator is told when there is no database, and makes one when that is wanted", async () => {
  using folder = temporaryFolder();
  const dataDir = join(folder.path, "data");
  const error = await failureOf(openOperator(dataDir));
  expect(error?.message).toStartWith(`No readable bhatti database in ${dataDir}; `);
  using operator = await openOperator(dataDir, { create: true });
  const { key, user } = operator.users.create({ name: "ada" });
  expect(key).toMatch(/^bht_[0-9a-f]{64}$/);
  expect(user).toMatchObject({ maxSandboxes: 5, maxCpus: 4, maxMemoryMB: 4096, role: "user" });
  expect(user.id).toMatch(/^usr_[0-9a-f]{8}$/);
  expect(() => operator.users.create({ name: "ada" })).toThrow('User "ada" already exists');
  expect(() => operator.users.create({ name: "a b" })).toThrow(
    /^name: must start with a letter or digit/,
  );
  expect(() => operator.users.create({ name: "bob", maxCpus: 0 })).toThrow(/^max-cpus: must be/);
  expect(() => operator.users.rotateKey("bob")).toThrow('User "bob" not found');
  expect(operator.users.list().map(({ name, sandboxes }) => [name, sandboxes])).toEqual([
    ["ada", 0],
  ]);
});

test("a shutdown ends requests that would go on, and leaves machines running", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const socket = await ExecSocketClient.start(daemon, "dev", { cmd: ["sleep", "60"] });
  await socket.event("session");
  await daemon.stop();
  expect(await socket.event("error")).toMatchObject({ code: "shutting_down" });
  expect([...daemon.engine.machines.values()].map(({ running }) => running)).toEqual([true]);
  expect((await daemon.events("daemon.shutdown")).length).toBe(1);
}, 120_000);

test("a create that the shutdown cuts short leaves nothing", async () => {
  await using daemon = await startFakeDaemon({ engine: { createMilliseconds: 60_000 } });
  const creating = daemon.call("POST", "/sandboxes", {}).catch(() => undefined);
  await until("the request is there", async () => {
    const { body } = await daemon.call<unknown[]>("GET", "/sandboxes");
    return body.length === 1;
  });
  await daemon.stop();
  expect(await creating).toMatchObject({ status: 503, body: { code: "shutting_down" } });
  expect(daemon.operator.users.list()[0]?.sandboxes).toBe(0);
}, 120_000);

test("with on_shutdown: stop machines are put into files, and wake when they are used", async () => {
  await using daemon = await startFakeDaemon({ config: { onShutdown: "stop" } });
  await daemon.create({ name: "dev" });
  await daemon.restart();
  const { body } = await daemon.call<object>("GET", "/sandboxes/dev");
  expect(body).toMatchObject({
    status: "running",
    thermal: "cold",
  });
  const exec = await daemon.call("POST", "/sandboxes/dev/exec", { cmd: ["true"] });
  expect(exec.status).toBe(200);
  expect(daemon.engine.machines.size).toBe(1);
});

test("told to, it suspends whatever the configuration says, and tells what became of each", async () => {
  await using fake = await startFakeDaemon();
  for (const name of ["dev", "full", "lost"]) await fake.create({ name });
  await fake.stop();
  const { engine } = fake;
  const [, full, lost] = [...engine.machines.keys()];
  const original = { adopt: engine.adopt.bind(engine), stateOf: engine.stateOf.bind(engine) };
  engine.adopt = async (id, config) => {
    if (id === lost) throw new Error("no answer");
    const machine = await original.adopt(id, config);
    if (machine && id === full) machine.suspend = () => Promise.reject(new Error("no space"));
    return machine;
  };
  engine.stateOf = async (id) => (id === lost ? "running" : await original.stateOf(id));
  const said: { msg: string; name?: string; why?: string }[] = [];
  const log = createLogger({ level: "info", write: (line) => void said.push(JSON.parse(line)) });
  const daemon = await startDaemon(fake.config, { ...dependencies(engine), log });
  await daemon.stop("stop");
  const told = said.filter(({ msg }) => /^sandbox (not )?suspended$/.test(msg));
  expect(Object.fromEntries(told.map(({ name, msg, why }) => [name, why ?? msg]))).toEqual({
    dev: "sandbox suspended",
    full: "suspend failed: no space; memory lost, disk kept",
    lost: "its VM is running, but does not respond",
  });
  expect(said.at(-1)).toMatchObject({ msg: "stopped", machines: "stop" });
});

test("the log tells a sandbox's story, and no environment values", async () => {
  await using daemon = await startFakeDaemon();
  const { id } = await daemon.create({ name: "dev", env: { A: "classified" } });
  const exec = { cmd: ["true"], env: { B: "classified" } };
  await daemon.call("POST", "/sandboxes/dev/exec", exec);
  await daemon.call("DELETE", "/sandboxes/dev");
  const story = daemon.logLines
    .map((line) => JSON.parse(line) as { msg: string; sandbox?: string })
    .filter(({ sandbox }) => sandbox === id)
    .map(({ msg }) => msg);
  expect(story).toEqual(["VM created", "sandbox created", "exec ended", "sandbox destroyed"]);
  expect(daemon.logLines.join("")).not.toContain("classified");
});

function temporaryFolder(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "bhatti-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
