/** The init script's session: a terminal, and what is started from it stays when the script has ended. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Guest } from "../../src/agent/guest.ts";
import type { GuestProcessInfo } from "../../src/agent/guest-sessions.ts";
import { generous, isAlive, RealLohar, run, until } from "../support/lohar.ts";

setDefaultTimeout(120_000);

interface Started {
  lohar: RealLohar;
  guest: Guest;
  text(file: string): Promise<string>;
}

/** Scripts in these tests wait for a file `go` before what is not to happen too early. */
async function withInit(init: string, check: (started: Started) => Promise<void>): Promise<void> {
  await using lohar = await RealLohar.start();
  const guest = await lohar.connect();
  await guest.configure({ init }, generous());
  const text = (file: string) => readFile(join(lohar.directory, file), "utf8").catch(() => "");
  await check({ lohar, guest, text });
}

/** How the script ended; a new connection is told. */
async function ended(lohar: RealLohar): Promise<GuestProcessInfo> {
  for (;;) {
    const guest = await lohar.connect();
    guest.close();
    const init = guest.hello.processes.find(({ session }) => session === "init");
    if (init && !init.running) return init;
    await Bun.sleep(20);
  }
}

const waitForGo = "until [ -e go ]; do sleep 0.01; done";

test("what the script leaves in the background lives on, with or without nohup", async () => {
  const script = `sleep 1000 & echo $! > plain
    nohup sleep 1000 > /dev/null 2>&1 & echo $! > nohup
    (${waitForGo}; echo late >> log) & echo now >> log; exit 3`;
  await withInit(script, async ({ lohar, guest, text }) => {
    const init = await ended(lohar);
    expect(init).toMatchObject({ tty: true, exitCode: 3 });
    expect(init.argv.slice(1)).toEqual(["-c", script]);
    expect(isAlive(init.pid)).toBe(false);
    await run(await lohar.connect(), "touch go");
    await until(async () => (await text("log")) === "now\nlate\n");
    for (const file of ["plain", "nohup"]) expect(isAlive(Number(await text(file)))).toBe(true);
    guest.close();
  });
});

test("what it leaves writes to the terminal for as long as it likes, and the log has it", async () => {
  const lines = 50_000; // more than any terminal holds
  const script = `(${waitForGo}; seq ${lines}; [ -t 1 ] && echo terminal > over) &`;
  await withInit(script, async ({ lohar, text }) => {
    expect(await ended(lohar)).toMatchObject({ exitCode: 0 });
    await run(await lohar.connect(), "touch go");
    await until(async () => (await text("over")) === "terminal\n");
    const log = join(lohar.directory, "../init.log");
    const last = `\n${lines}\r\n`;
    await until(async () => (await readFile(log, "utf8")).endsWith(last));
    expect((await readFile(log, "utf8")).split("\r\n")).toHaveLength(lines + 1);
  });
});

test("the script has its terminal under its control, and its signals' usual effects", async () => {
  const script = `exec 2> errors; : < /dev/tty && echo controlled > terminal
    trap 'echo INT >> got' INT; kill -INT 0; grep -E 'Sig(Blk|Ign)' /proc/self/status > signals; exit 0`;
  await withInit(script, async ({ lohar, text }) => {
    expect(await ended(lohar)).toMatchObject({ exitCode: 0 });
    expect(await text("errors")).toBe("");
    expect(await text("terminal")).toBe("controlled\n");
    expect(await text("got")).toBe("INT\n");
    // The 32nd is the C library's own, and whoever runs these tests may have it ignored.
    expect(await text("signals")).toMatch(/^SigBlk:\t0{16}\nSigIgn:\t0{8}[08]0{7}\n$/);
  });
});

test.each([
  ["kill -TERM $$", 143],
  ["kill -KILL $$", 137],
  ["kill -KILL 0", 137],
  ["exec /does/not/exist", 127],
])("after %j the session's code is %d", async (script, exitCode) => {
  await withInit(script, async ({ lohar }) => {
    expect(await ended(lohar)).toMatchObject({ exitCode });
  });
});
