/** A person at a terminal with a shell in a real guest: typing, sizes, full-screen programs, leaving and coming back. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { dirname } from "node:path";
import { binary, type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { Tmux } from "../support/tmux.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({ images: ["minimal", "tiny"] });
  await Promise.all([
    daemon.ok("create", "--name", "dev"),
    daemon.ok("create", "--name", "small", "--image", "tiny"),
  ]);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const clientEnv = () => ({
  BHATTI_URL: daemon.url,
  BHATTI_TOKEN: daemon.key,
  PATH: `${dirname(binary)}:${process.env["PATH"]}`,
});

const prompt = /\$ $|\$$/;

/** A terminal with a new shell of the sandbox in it; `code=` tells its exit code. */
async function newShell(sandbox: string, size?: { cols: number; rows: number }): Promise<Tmux> {
  const tmux = await Tmux.open(clientEnv(), size);
  await tmux.enter(`clear; bhatti shell ${sandbox} --new; echo code=$?`);
  await tmux.shows(/^lohar@/m, prompt);
  await tmux.enter("cd /tmp; PS1='in> '; clear");
  await tmux.shows(/^in>$/);
  return tmux;
}

async function leave(tmux: Tmux): Promise<void> {
  await tmux.press("C-\\");
  await tmux.shows(/^detached from sess-\w+\./m, "code=0");
  expect(await tmux.fact("alternate_on")).toBe("0");
  expect(await tmux.fact("cursor_flag")).toBe("1");
}

async function comeBack(tmux: Tmux, sandbox: string): Promise<void> {
  await tmux.enter(`clear; bhatti shell ${sandbox}; echo code=$?`);
}

test("typing, Ctrl+C, sizes and the exit code", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("whoami; stty size");
  await tmux.shows(/^lohar$/m, /^24 80$/m);
  // Before it says so it might not run yet, and Ctrl+C would be the shell's.
  await tmux.enter("sh -c 'echo sleeping; exec sleep 1000'");
  await tmux.shows(/^sleeping$/m);
  await tmux.press("C-c");
  await tmux.enter("echo $?");
  await tmux.shows(/^130\nin>$/m);
  await tmux.enter("trap 'stty size' WINCH");
  await tmux.shows(/WINCH\nin>$/);
  await tmux.resize({ cols: 101, rows: 33 });
  await tmux.shows("33 101");
  await tmux.enter("exit 9");
  await tmux.shows("code=9");
});

test("a shell is left and found again, with what it said meanwhile", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("echo before; sleep 3; echo meanwhile");
  await tmux.shows(/^before$/m);
  await leave(tmux);
  await comeBack(tmux, "dev");
  await tmux.shows(/^before$/m, /^meanwhile$/m);
  await tmux.enter("exit");
  await tmux.shows("code=0");
});

test("vim draws its screen, and looks the same when its terminal comes back", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("seq 1 100 > numbers; vim.tiny numbers");
  await tmux.shows(/^1\n2\n3\n/, /"numbers"/);
  await tmux.press("G");
  await tmux.shows(/^100$/m);
  const end = Array.from({ length: 23 }, (_, index) => String(78 + index));
  await tmux.becomes(end);
  expect(await tmux.fact("alternate_on")).toBe("1");
  await leave(tmux);
  await comeBack(tmux, "dev");
  await tmux.becomes(end);
  await tmux.resize({ cols: 60, rows: 12 });
  await tmux.shows(/^100$/m);
  await tmux.enter(":q");
  await tmux.shows(/in>$/);
  expect(await tmux.fact("alternate_on")).toBe("0");
});

test("less too", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("seq 1 100 | less");
  await tmux.shows(/^1\n2\n3\n/, /^:$/m);
  await tmux.press("Space");
  const page = [...Array.from({ length: 23 }, (_, index) => String(24 + index)), ":"];
  await tmux.becomes(page, true);
  await leave(tmux);
  await comeBack(tmux, "dev");
  await tmux.becomes(page, true);
  await tmux.press("q");
  await tmux.shows(/in>$/);
});

test("a terminal that shows it again answers nothing that was asked long ago", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("printf '\\e[6n'; read -rs -d R; clear; echo asked");
  await tmux.shows(/^asked\nin>$/);
  await leave(tmux);
  await comeBack(tmux, "dev");
  await tmux.shows(/^asked\nin>/m);
  await tmux.enter("echo typed");
  expect(await tmux.shows(/^typed\nin>$/m)).toContain("\nin> echo typed\n");
});

test("where there is no bash, it is sh", async () => {
  await using tmux = await Tmux.open(clientEnv());
  await tmux.enter("clear; bhatti shell small; echo code=$?");
  await tmux.shows(/[$#] ?$/);
  await tmux.enter("echo hello; exit 4");
  await tmux.shows(/^hello$/m, "code=4");
});

test("a login shell without a terminal reads its stdin", async () => {
  const script = "tty; shopt -q login_shell && echo login; exit 5";
  expect(await daemon.run(["shell", "dev"], { stdin: script })).toMatchObject({
    code: 5,
    stdout: "not a tty\nlogin\n",
  });
});

test("a daemon that dies and comes back costs nothing but a word", async () => {
  await using tmux = await newShell("dev");
  await tmux.enter("for i in 1 2 3 4 5 6 7 8; do echo line-$i; sleep 1; done; echo done");
  await tmux.shows(/^line-2$/m);
  await daemon.kill("SIGKILL");
  await tmux.shows("connection lost, reconnecting…");
  await daemon.restart();
  await tmux.shows("reconnected");
  const screen = await tmux.shows(/^done\nin>$/m);
  const lines = screen.split("\n").filter((line) => line.startsWith("line-"));
  expect(lines).toEqual(Array.from({ length: 8 }, (_, index) => `line-${index + 1}`));
  await tmux.enter("exit 3");
  await tmux.shows("code=3");
});
