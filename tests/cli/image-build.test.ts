/** `image build` is an operation of the operator: of a process of its own, which the daemon watches. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Operation } from "../../src/contract/operations.ts";
import { binary, ensureBinary } from "../support/binary.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { operationsOf } from "../support/operations.ts";
import { until } from "../support/until.ts";

let daemon: FakeDaemon;
let admin: string;
beforeEach(async () => {
  await ensureBinary();
  daemon = await startFakeDaemon({ clock: new ManualClock() });
  admin = daemon.operator.users.create({ name: "root", role: "admin" }).key;
});
afterEach(() => daemon[Symbol.asyncDispose]());

/** A build of a recipe with that body. */
function build(body: string) {
  const recipe = join(daemon.dataDir, "custom.sh");
  writeFileSync(recipe, `#!/bin/sh\nset -e\n${body}\n`);
  chmodSync(recipe, 0o755);
  return Bun.spawn([binary, "image", "build", recipe, "--data-dir", daemon.dataDir, "--json"], {
    env: { PATH: process.env["PATH"], HOME: daemon.dataDir },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

const ofAdmin = async () =>
  (await daemon.call<Operation[]>("GET", "/operations", undefined, admin)).body;

/** Starts a build that waits in its recipe. */
async function waitingBuild() {
  const started = join(daemon.dataDir, "started");
  const child = build(`echo $$ > ${started}.new; mv ${started}.new ${started}; sleep 600`);
  await until("the recipe runs", () => existsSync(started));
  const killRecipe = () => process.kill(-Number(readFileSync(started, "utf8")), "SIGKILL");
  return { child, operation: (await ofAdmin())[0], killRecipe };
}

const scratch = () =>
  readdirSync(join(daemon.dataDir, "images")).filter((name) => name.startsWith(".build-"));

test("an image build is an operation that admins see", async () => {
  const child = build('echo hello > "$1/hello"');
  expect(await child.exited).toBe(0);
  const image = await new Response(child.stdout).json();
  const [operation] = await ofAdmin();
  expect(operation).toMatchObject({
    kind: "image.build",
    user_id: "",
    target: { kind: "image", name: "custom" },
    state: "succeeded",
    result: { image: "custom", size_mb: image.size_mb, source: image.source },
  });
  expect(operation?.target.id).toBeUndefined();
  expect(await operationsOf(daemon)).toEqual([]);
  const { status } = await daemon.call("GET", `/operations/${operation?.id}`);
  expect(status).toBe(404);
});

test("a build that fails keeps the reason", async () => {
  const child = build("echo no space >&2; exit 3");
  expect(await child.exited).toBe(1);
  const [operation] = await ofAdmin();
  expect(operation).toMatchObject({ state: "failed", error: { code: expect.any(String) } });
});

test("a running build shows its progress; the daemon cannot cancel it, its process can", async () => {
  const { child, operation } = await waitingBuild();
  expect(operation).toMatchObject({ state: "running" });
  const path = `/operations/${operation?.id}`;
  const refused = await daemon.call("DELETE", path, undefined, admin);
  expect(refused).toMatchObject({
    status: 409,
    body: {
      code: "operation_elsewhere",
      error: `Operation ${operation?.id} is run by another process on the daemon's host (pid ${child.pid})`,
    },
  });
  child.kill("SIGINT");
  expect(await child.exited).toBe(1);
  const waiting = await daemon.call<Operation>("GET", `${path}?wait=60`, undefined, admin);
  expect(waiting.body).toMatchObject({
    state: "cancelled",
    error: { message: "The build was interrupted by SIGINT" },
  });
  expect(scratch()).toEqual([]);
});

test("a build that is killed has failed a minute later, and the next one removes its files", async () => {
  const { child, operation, killRecipe } = await waitingBuild();
  child.kill("SIGKILL");
  await child.exited;
  killRecipe();
  expect(scratch()).toHaveLength(1);
  await daemon.pass(60_000);
  expect((await ofAdmin())[0]).toMatchObject({
    id: operation?.id,
    state: "failed",
    error: {
      code: "interrupted",
      message: "The process exited during the operation: no image was registered",
    },
  });
  expect(await build('echo hello > "$1/hello"').exited).toBe(0);
  expect(scratch()).toEqual([]);
});
