/** A session whose output goes to a file: in its order, with nothing in the log, and refused when it cannot be written. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failureOf } from "../support/failure.ts";
import { collect, generous, logOf } from "../support/lohar.ts";
import { guest, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(240_000);

useOneLohar();

const within = (name: string) => join(lohar.directory, name);

function start(argv: string[], outputFile: string) {
  const request = { argv, stdin: false, timeoutMs: 0, session: true, outputFile };
  return guest.exec(request, generous());
}

test("stdout and stderr of a session go to the file that was asked for", async () => {
  const file = within("out.log");
  writeFileSync(file, "what was there before, which is longer than the output");
  const session = await start(["sh", "-c", "echo a; echo b >&2; echo c; exit 3"], file);
  expect(session.outputFile).toBe(file);
  expect(session.log).toMatch(/\/sess-[0-9a-f]+\.log$/);
  const { stdout, stderr, ...result } = await collect(session);
  expect(result).toMatchObject({ exitCode: 3, reason: "exited" });
  expect([stdout.length, stderr.length]).toEqual([0, 0]);
  expect(readFileSync(file, "utf8")).toBe("a\nb\nc\n");
  expect((await logOf(guest, session.session)).length).toBe(0);
});

test("a new output file has mode 0644, and says why a program was not found", async () => {
  const file = within("missing.log");
  const session = await start(["no-such-program"], file);
  expect(session.notExecuted).toEqual({ exitCode: 127, reason: "not found" });
  expect(await collect(session)).toMatchObject({ exitCode: 127 });
  expect(readFileSync(file, "utf8")).toBe("lohar: no-such-program: not found\n");
  expect((statSync(file).mode & 0o777).toString(8)).toBe("644");
});

test("without an output file the log has the output", async () => {
  const request = { argv: ["echo", "hi"], stdin: false, timeoutMs: 0, session: true };
  const session = await guest.exec(request, generous());
  expect(session.outputFile).toBeUndefined();
  await collect(session);
  expect((await logOf(guest, session.session)).toString()).toBe("hi\n");
});

test("an output file that cannot be written is refused, and nothing is started", async () => {
  mkdirSync(within("directory"));
  Bun.spawnSync(["mkfifo", within("fifo")]);
  for (const [file, reason] of [
    [within("nowhere/out.log"), "No such file or directory"],
    [within("directory"), "Is a directory"],
    [within("fifo"), "No such device or address"],
  ] as const) {
    const error = await failureOf(start(["touch", within("started")], file));
    expect(error).toMatchObject({ code: "bad_request" });
    expect(error.message).toBe(`Cannot write to '${file}': ${reason}`);
  }
  expect(() => statSync(within("started"))).toThrow();
});

test("the start of a program that cannot be executed gives the reason", async () => {
  writeFileSync(within("plain"), "text", { mode: 0o644 });
  const denied = await start([within("plain")], within("denied.log"));
  expect(denied.notExecuted).toEqual({ exitCode: 126, reason: "permission denied" });
  expect(await collect(denied)).toMatchObject({ exitCode: 126 });
  const started = await start(["sh", "-c", "exit 127"], within("started.log"));
  expect(started.notExecuted).toBeUndefined();
  expect(await collect(started)).toMatchObject({ exitCode: 127 });
});
