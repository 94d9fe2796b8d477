/** Signals that were ignored when the client started, as by nohup or by a shell for `command &` in a script. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { follow } from "../support/follow.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const script = "echo ready; cat";

test.each([
  ["exec", ["exec", "-i", "dev", "--", "sh", "-c", script]],
  ["exec --session", ["exec", "-i", "--session", "dev", "--", "sh", "-c", "echo ready; head -n 1"]],
] as const)("%s outlives SIGHUP and SIGINT that were ignored at its start", async (_, words) => {
  const child = Bun.spawn(["bash", "-c", 'trap "" HUP INT; exec "$0" "$@"', binary, ...words], {
    env: { PATH: process.env["PATH"], ...daemon.env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = follow(child.stdout);
  await until("the command runs", () => output.text.includes("ready"));
  child.kill("SIGHUP");
  child.kill("SIGINT");
  child.stdin.write("still here\n");
  await child.stdin.end();
  expect(await child.exited).toBe(0);
  await output.ended;
  expect(output.text).toBe("ready\nstill here\n");
});

test("serve ends in good order by SIGQUIT, which a shell ignores for a command with &", async () => {
  const home = mkdtempSync(join(tmpdir(), "bhatti-cli-"));
  const config = join(home, "daemon.yaml");
  writeFileSync(config, `engine: fake\nlisten: 127.0.0.1:0\ndata_dir: ${join(home, "data")}\n`);
  const child = Bun.spawn(["bash", "-c", 'trap "" INT QUIT; exec "$0" serve', binary], {
    env: { PATH: process.env["PATH"], HOME: home, BHATTI_CONFIG: config },
    stderr: "pipe",
  });
  const log = follow(child.stderr);
  await until("the daemon listens", () => log.text.includes('"listening"'));
  child.kill("SIGQUIT");
  expect(await child.exited).toBe(0);
  await log.ended;
  expect(log.text).toContain('"stopped"');
  rmSync(home, { recursive: true });
});
