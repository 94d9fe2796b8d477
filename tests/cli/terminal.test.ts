/** What happens when a person sits at a terminal: questions, raw keys, sizes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { binary, runInTerminal } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const inTerminal = (...args: string[]) => runInTerminal([binary, ...args], daemon.env);

test.each([
  ["yes\n", false],
  ["\n", false],
  ["\x04", false],
  ["y\n", true],
  ["Y\n", true],
])("destroy asks, and %j is the answer", async (keys, destroys) => {
  await daemon.ok("create", "--name", "dev");
  const run = inTerminal("destroy", "dev");
  await run.shows('Destroy sandbox "dev"? [y/N]: ');
  run.type(keys);
  expect(await run.exited).toBe(0);
  expect(run.screen().includes("sandbox/dev destroyed")).toBe(destroys);
  const { code } = await daemon.run(["inspect", "dev"]);
  expect(code).toBe(destroys ? 1 : 0);
});

test("-t has the size of the terminal", async () => {
  await daemon.ok("create", "--name", "dev");
  const run = inTerminal("exec", "dev", "-t", "stty", "size");
  expect(await run.exited).toBe(0);
  expect(run.screen()).toContain("40 100");
});

test("-t passes keys on as they are typed, and puts the terminal back", async () => {
  await daemon.ok("create", "--name", "dev");
  const script = `${binary} exec dev -t -- sh -c 'stty raw -echo; echo ready; cat'; echo "code $?"; stty -a`;
  const run = runInTerminal(["bash", "-c", script], daemon.env);
  await run.shows("ready");
  run.type("ab\x03\x04");
  await run.shows("ab\x03\x04");
  const [session] = JSON.parse(await daemon.ok("ps", "dev", "--json"));
  await daemon.ok("kill", "dev", session.session_id);
  await run.shows("code 137");
  await run.exited;
  expect(run.screen()).toMatch(/(^|\s)icanon/);
  expect(run.screen()).toMatch(/\secho\s/);
});

test("-t takes single keys although its output goes to a pipe", async () => {
  await daemon.ok("create", "--name", "dev");
  const command = "stty raw -echo; echo ready; head -c 2; echo; echo over";
  const script = `${binary} exec dev -it -- sh -c '${command}' | cat; stty -a`;
  const run = runInTerminal(["bash", "-c", script], daemon.env);
  await run.shows("ready");
  run.type("a\x03");
  await run.shows("a\x03");
  await run.shows("over");
  await run.exited;
  expect(run.screen()).toMatch(/(^|\s)icanon/);
});

test("-i passes on what is typed, a line at a time", async () => {
  await daemon.ok("create", "--name", "dev");
  const run = inTerminal("exec", "-i", "dev", "--", "wc", "-c");
  run.type("hello\n\x04");
  await run.shows("6\r\n");
  expect(await run.exited).toBe(0);
});

test("without -t a terminal's stdin is not forwarded, and Ctrl+C reaches the command", async () => {
  await daemon.ok("create", "--name", "dev");
  const run = inTerminal("exec", "dev", "--", "sh", "-c", "wc -c; echo now; sleep 1000");
  await run.shows("now");
  expect(run.screen()).toContain("0\r\n");
  run.type("\x03");
  expect(await run.exited).toBe(130);
});

test("setup asks, keeps the answers and tries them", async () => {
  const config = `${daemon.home}/asked.yaml`;
  await Bun.write(config, "");
  const run = runInTerminal([binary, "setup"], { HOME: daemon.home, BHATTI_CONFIG: config });
  await run.shows("Daemon URL");
  run.type(`${daemon.url}\r`);
  await run.shows("API key");
  run.type(`${daemon.key}\r`);
  await run.shows(`✓ Connected to ${daemon.url}`);
  expect(await run.exited).toBe(0);
  expect(run.screen()).not.toContain(daemon.key);
  expect(readFileSync(config, "utf8")).toBe(`api_url: ${daemon.url}\nauth_token: ${daemon.key}\n`);
  expect(statSync(config).mode & 0o777).toBe(0o600);
});

test("setup with a wrong key says so, and ends well: somebody was there to read it", async () => {
  const config = `${daemon.home}/wrong.yaml`;
  await Bun.write(config, "");
  const run = runInTerminal([binary, "setup"], { HOME: daemon.home, BHATTI_CONFIG: config });
  await run.shows("Daemon URL");
  run.type(`${daemon.url}\r`);
  await run.shows("API key");
  run.type("bht_wrong\r");
  await run.shows("✗ 401 Unauthorized");
  expect(await run.exited).toBe(0);
});
