/** A shell in a real terminal: what a person sees of it, and what is left of the terminal afterwards. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { dirname } from "node:path";
import { binary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { cuttableLine } from "../support/cuttable-line.ts";
import { Tmux } from "../support/tmux.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  await daemon.run(["destroy", "dev", "-y"]);
  await daemon.ok("create", "--name", "dev", "--env", "PS1=$ ");
});

const terminal = (more: Record<string, string> = {}) =>
  Tmux.open({ ...daemon.env, PATH: `${dirname(binary)}:${process.env["PATH"]}`, ...more });

const sessions = async () =>
  JSON.parse(await daemon.ok("ps", "dev", "--all", "--json")) as {
    session_id: string;
    running: boolean;
    attached: boolean;
  }[];

/** Lines are edited and shown again, and the cursor is seen. */
async function expectUsualTerminal(tmux: Tmux): Promise<void> {
  await tmux.shows(/^here\$$/m);
  expect(await tmux.fact("cursor_flag")).toBe("1");
  expect(await tmux.fact("alternate_on")).toBe("0");
  expect(await tmux.fact("mouse_any_flag")).toBe("0");
  await tmux.enter("clear; stty -a");
  const modes = await tmux.shows("flusho");
  expect(modes).toMatch(/(^|\s)opost/);
}

test("its exit code is the shell's", async () => {
  await using tmux = await terminal();
  await tmux.enter("bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  await tmux.enter("exit 7");
  await tmux.shows("code=7");
  await expectUsualTerminal(tmux);
});

test("Ctrl+\\ leaves it, and the next one goes back, with what was on the screen", async () => {
  await using tmux = await terminal();
  await tmux.enter("bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  await tmux.enter("echo some words");
  await tmux.shows(/^some words/m);
  await tmux.press("C-\\");
  await tmux.shows(/^detached from sess-\w+\. Reattach: bhatti shell dev$/m, "code=0");
  await expectUsualTerminal(tmux);
  await until("it is detached", async () => (await sessions())[0]?.attached === false);
  expect(await sessions()).toMatchObject([{ running: true }]);
  await tmux.enter("clear; bhatti shell dev");
  // What it is follows in brackets when the daemon tells it in time.
  await tmux.shows(/^reattached to sess-\w+( \(login shell, since \d+ s\))?$/m, "some words");
  await tmux.enter("echo more");
  await tmux.shows(/^more/m);
  expect(await sessions()).toMatchObject([{ running: true, attached: true }]);
});

test("--new starts another", async () => {
  await using tmux = await terminal();
  for (const count of [1, 2]) {
    await tmux.enter("clear; bhatti sh dev --new");
    await until("a new session", async () => (await sessions()).length === count);
    await tmux.shows(/^\$ *$/m);
    await tmux.hides("detached");
    await tmux.press("C-\\");
    await tmux.shows("detached");
  }
});

test("it has the size of the terminal, also when that changes", async () => {
  await using tmux = await terminal();
  await tmux.enter("clear; bhatti shell dev");
  await tmux.shows(/^\$/m);
  await tmux.enter("stty size");
  await tmux.shows("24 80");
  await tmux.resize({ cols: 101, rows: 33 });
  await until("the shell hears of it", async () => {
    await tmux.enter("stty size");
    return (await tmux.screen()).includes("33 101");
  });
});

test("what a program left on in the terminal is off again", async () => {
  await using tmux = await terminal();
  await tmux.enter("bhatti shell dev");
  await tmux.shows(/^\$/m);
  await tmux.enter("printf '\\x1b[?1049h\\x1b[?25l\\x1b[?1003h full screen'");
  // The words alone are on the screen as soon as they are typed.
  await until("it has the screen", async () => (await tmux.fact("alternate_on")) === "1");
  await tmux.shows("full screen");
  expect(await tmux.fact("mouse_any_flag")).toBe("1");
  await tmux.press("C-\\");
  await tmux.shows("detached from");
  await expectUsualTerminal(tmux);
});

test("a connection that is lost is made again, and nothing is lost or doubled", async () => {
  using line = cuttableLine(daemon.url);
  await using tmux = await terminal({ BHATTI_URL: line.url });
  await tmux.enter("clear; bhatti shell dev");
  await tmux.shows(/^\$/m);
  await tmux.enter("echo before");
  await tmux.shows(/^before/m);
  await tmux.enter("echo begun; sleep 1; echo meanwhile");
  await tmux.shows(/^begun/m);
  line.cut();
  await tmux.shows("connection lost, reconnecting…");
  line.mend();
  await tmux.shows("reconnected", /^\s*meanwhile/m);
  await tmux.enter("echo after");
  const screen = await tmux.shows(/^after/m);
  expect(screen.match(/^before/gm)).toHaveLength(1);
  expect(screen.match(/^\s*meanwhile/gm)).toHaveLength(1);
  expect(await sessions()).toHaveLength(1);
});

test("who does not want to wait for the connection leaves", async () => {
  using line = cuttableLine(daemon.url);
  await using tmux = await terminal({ BHATTI_URL: line.url });
  await tmux.enter("clear; bhatti shell dev");
  await tmux.shows(/^\$/m);
  line.cut();
  await tmux.shows("connection lost, reconnecting…");
  await tmux.press("C-c");
  await tmux.shows(/^detached from sess-\w+\./m);
  await expectUsualTerminal(tmux);
});

test("a session that ends while the connection is lost tells its exit code", async () => {
  using line = cuttableLine(daemon.url);
  await using tmux = await terminal({ BHATTI_URL: line.url });
  await tmux.enter("clear; bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  line.cut();
  await tmux.shows("connection lost");
  const [session] = await sessions();
  await daemon.ok("kill", "dev", session?.session_id ?? "");
  line.mend();
  await tmux.shows("code=137");
});

test("a sandbox that is destroyed takes its shell with it, and says so", async () => {
  await using tmux = await terminal();
  await tmux.enter("clear; bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  await daemon.ok("destroy", "dev", "-y");
  await tmux.shows("code=1");
  await expectUsualTerminal(tmux);
});

test("a sandbox that is stopped is not woken by its shell, which says what happened", async () => {
  await using tmux = await terminal();
  await tmux.enter("clear; bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  await daemon.ok("stop", "dev");
  await tmux.shows("code=1", /stopped|suspended|ended/);
  await expectUsualTerminal(tmux);
  const { status } = JSON.parse(await daemon.ok("inspect", "dev", "--json"));
  expect(status).toBe("stopped");
  await tmux.enter("clear; bhatti shell dev");
  await tmux.shows(/reattached to sess/);
});

test("a terminal without a size counts as one of 24 by 80", async () => {
  await using tmux = await terminal();
  await tmux.enter("stty rows 0 cols 0; clear; bhatti shell dev");
  await tmux.shows(/^\$/m);
  await tmux.enter("stty size");
  await tmux.shows("24 80");
});

test("exec -t reconnects, and returns the exit code", async () => {
  using line = cuttableLine(daemon.url);
  await using tmux = await terminal({ BHATTI_URL: line.url });
  await tmux.enter("clear; bhatti exec dev -t sh; echo code=$?");
  await tmux.shows(/^\$/m);
  await tmux.enter("echo begun; sleep 1; echo meanwhile");
  await tmux.shows(/^begun/m);
  line.cut();
  await tmux.shows("connection lost, reconnecting…");
  line.mend();
  await tmux.shows("reconnected", /^\s*meanwhile/m);
  await tmux.enter("exit 7");
  await tmux.shows("code=7");
  expect(await sessions()).toHaveLength(1);
  await expectUsualTerminal(tmux);
});

test("Ctrl+C detaches from exec -t while the connection is lost", async () => {
  using line = cuttableLine(daemon.url);
  await using tmux = await terminal({ BHATTI_URL: line.url });
  await tmux.enter("clear; bhatti exec dev -t sh");
  await tmux.shows(/^\$/m);
  line.cut();
  await tmux.shows("connection lost, reconnecting…");
  await tmux.press("C-c");
  await tmux.shows(/^detached from sess-\w+\. Reattach: bhatti attach dev sess-\w+$/m);
  await expectUsualTerminal(tmux);
});

test("another client takes it over, or only looks on", async () => {
  await using tmux = await terminal();
  await using other = await terminal();
  await tmux.enter("clear; bhatti shell dev; echo code=$?");
  await tmux.shows(/^\$/m);
  const id = (await sessions())[0]?.session_id ?? "";
  await other.enter(`clear; bhatti attach dev ${id} --watch`);
  await other.shows(/^\$/m);
  await tmux.enter("echo seen by both");
  await other.shows(/^seen by both/m);
  await other.press("C-c");
  await other.shows(`detached from ${id}. Reattach: bhatti attach dev ${id}`);
  await other.enter(`clear; bhatti attach dev ${id}`);
  await other.shows(/^seen by both/m);
  await tmux.shows(
    `Error: ${id} was taken over by another client`,
    `Reattach: bhatti attach dev ${id}`,
    "code=1",
  );
  await expectUsualTerminal(tmux);
  await other.enter("exit");
  await other.shows(/here\$ $|here\$$/);
});

test("a program that reads nothing does not keep anybody in", async () => {
  await using tmux = await terminal();
  await tmux.enter("clear; bhatti shell dev");
  await tmux.shows(/^\$/m);
  await tmux.enter("sleep 1000");
  await tmux.type("x".repeat(10_000));
  await tmux.press("C-\\");
  await tmux.shows("detached from");
});
