/** operation … as a person and as a script see it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Operation } from "../../src/contract/operations.ts";
import { ensureBinary, runBinary } from "../support/binary.ts";
import {
  type FakeDaemon,
  type FakeDaemonOptions,
  startFakeDaemon,
} from "../support/fake-daemon.ts";
import { Gate } from "../support/gate.ts";
import { beginOperation, operationsOf } from "../support/operations.ts";
import { until } from "../support/until.ts";

let home = "";
beforeAll(async () => {
  await ensureBinary();
  home = mkdtempSync(join(tmpdir(), "bhatti-cli-"));
  writeFileSync(join(home, "client.yaml"), "");
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const withGate = async (options: FakeDaemonOptions = {}) => {
  const gate = new Gate();
  const daemon = await startFakeDaemon({ engine: gate.creates, ...options });
  return { gate, daemon };
};

const run = (daemon: FakeDaemon, ...words: string[]) =>
  runBinary(words, {
    env: {
      HOME: home,
      BHATTI_CONFIG: join(home, "client.yaml"),
      BHATTI_URL: daemon.url,
      BHATTI_TOKEN: daemon.key,
    },
  });

test("operation list has columns that scripts can rely on, and filters", async () => {
  const { gate, daemon: started } = await withGate();
  await using daemon = started;
  expect(await run(daemon, "operation", "list")).toMatchObject({
    ...{ code: 0, stdout: "", stderr: "No operations\n" },
  });
  expect(await run(daemon, "op", "ls", "--json")).toMatchObject({ stdout: "[]\n", stderr: "" });
  await daemon.create({ name: "dev" });
  gate.close();
  await beginOperation(daemon, "/sandboxes", { name: "new" });
  const [running, ended] = await operationsOf(daemon);
  const line = (operation: Operation | undefined, target: string, state: string, message: string) =>
    `${operation?.id} sandbox.create   ${target.padEnd(20)} ${state.padEnd(10)} 0 s      ${message}`;
  const { stdout } = await run(daemon, "operation", "list");
  expect(stdout.replace(/\d+ s {6}/g, "0 s      ").split("\n")).toEqual([
    "ID                  KIND             TARGET               STATE      AGE      MESSAGE",
    line(running, "sandbox/new", "running", "creating the VM"),
    line(ended, "sandbox/dev", "succeeded", "-"),
    "",
  ]);
  const filtered = await run(daemon, "op", "ls", "--state", "running", "--json");
  expect(JSON.parse(filtered.stdout)).toMatchObject([{ id: running?.id }]);
  const ofTarget = await run(daemon, "op", "ls", "--target", "sandbox/dev", "--json");
  expect(JSON.parse(ofTarget.stdout)).toMatchObject([{ id: ended?.id }]);
  const wrong = await run(daemon, "op", "ls", "--state", "over");
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("pending, running, succeeded, failed, cancelled");
});

test("operation inspect shows what it has made, or why it failed", async () => {
  await using daemon = await startFakeDaemon();
  daemon.addImage("broken", 64);
  const { id } = await daemon.create({ name: "dev" });
  await daemon.call("POST", "/sandboxes", { name: "bad", image: "broken" });
  const [failed, made] = await operationsOf(daemon);
  const ok = await run(daemon, "operation", "inspect", made?.id ?? "");
  expect(ok.stdout.split("\n")).toEqual([
    `ID:         ${made?.id}`,
    "Kind:       sandbox.create",
    "Target:     sandbox/dev",
    `Target ID:  ${id}`,
    "State:      succeeded",
    expect.stringMatching(/^Created: {4}\d+ s ago \(/),
    expect.stringMatching(/^Started: {4}\d+ s ago \(/),
    expect.stringMatching(/^Ended: {6}\d+ s ago \(/),
    "Sandboxes:  dev",
    "",
  ]);
  const bad = await run(daemon, "op", "inspect", failed?.id ?? "");
  expect(bad.stdout).toContain(
    'Error:      Image "broken" does not boot (machine_failed)\nHint:       ',
  );
  expect(await run(daemon, "op", "inspect", "op_none")).toMatchObject({
    code: 1,
    stderr:
      '404 Not Found: Operation "op_none" not found\nList operations: bhatti operation list\n',
  });
});

test("operation cancel undoes a create, and its client gets the reason", async () => {
  const { gate, daemon: started } = await withGate();
  await using daemon = started;
  const release = gate.close();
  const creating = run(daemon, "create", "--name", "new");
  await until("the create runs", async () => (await operationsOf(daemon)).length > 0);
  const [{ id } = { id: "" }] = await operationsOf(daemon);
  expect(await run(daemon, "op", "cancel", id)).toMatchObject({
    ...{ code: 0, stdout: `operation/${id} cancelled\n`, stderr: "" },
  });
  expect(await creating).toMatchObject({
    ...{
      code: 1,
      stdout: "",
      stderr: `499 Client Closed Request: Operation ${id} was cancelled\n`,
    },
  });
  expect((await daemon.call("GET", "/sandboxes")).body).toEqual([] as never);
  release();
  await daemon.create({ name: "dev" });
  const [ended] = await operationsOf(daemon, "?target=dev");
  expect(await run(daemon, "op", "cancel", ended?.id ?? "")).toMatchObject({
    code: 1,
    stderr: `409 Conflict: Operation ${ended?.id} has already succeeded\nShow its result: bhatti operation inspect ${ended?.id}\n`,
  });
});

test("operation wait exits as the operation ended", async () => {
  const { gate, daemon: started } = await withGate();
  await using daemon = started;
  const release = gate.close();
  const { body } = await beginOperation(daemon, "/sandboxes", { name: "new" });
  expect(await run(daemon, "op", "wait", body.id, "--timeout", "1s")).toMatchObject({
    code: 1,
    stderr:
      `Error: Operation ${body.id} did not end within 1 s, it is running\n` +
      `Wait again, or cancel it: bhatti operation cancel ${body.id}\n`,
  });
  const waiting = run(daemon, "op", "wait", body.id);
  release();
  expect(await waiting).toMatchObject({
    ...{ code: 0, stdout: `operation/${body.id} succeeded\n`, stderr: "" },
  });
  daemon.addImage("broken", 64);
  const failed = await beginOperation(daemon, "/sandboxes", { name: "bad", image: "broken" });
  const outcome = await run(daemon, "op", "wait", failed.body.id, "--timeout", "never");
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toStartWith(
    `Error: Operation ${failed.body.id} failed: Image "broken" does not boot\n`,
  );
  gate.close();
  const other = await beginOperation(daemon, "/sandboxes", { name: "other" });
  const cancelled = run(daemon, "op", "wait", other.body.id, "--json");
  await daemon.call("DELETE", `/operations/${other.body.id}`);
  const { code, stdout, stderr } = await cancelled;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(JSON.parse(stderr)).toMatchObject({
    code: "cancelled",
    error: `Operation ${other.body.id} was cancelled`,
  });
});
