/** The page of the web shell in a real browser, over the fake engine: what its visitor sees and does. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { openBrowser, openPage, type WatchedPage } from "../support/browser.ts";
import { openCutProxy } from "../support/cut-proxy.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { listSessions, openSession, says, size } from "../support/sessions.ts";
import { until } from "../support/until.ts";
import { shareOf } from "../support/web-shell.ts";

let browser: Browser;
let daemon: FakeDaemon;
let visitor: WatchedPage;
let page: Page;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", env: { PS1: "$ " } });
  visitor = await openPage(browser);
  page = visitor.page;
});
afterEach(async () => {
  await visitor[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const status = (text: string) => visitor.status(text);
const shown = (text: string) => page.locator(".xterm-rows").getByText(text).first().waitFor();
const button = (name: string) => page.getByRole("button", { name, exact: true });
/** The shell says the word, which stands nowhere in the command. */
const say = (word: string) => page.keyboard.type(`printf '\\x${hex(word)}\\n'\r`);
const hex = (word: string) => Buffer.from(word).toString("hex").match(/../g)?.join("\\x");

/** Nothing that waits half a second or longer happens, such as another attempt to connect. */
function neverByItself(): void {
  const usual = window.setTimeout;
  const timeout = (work: () => void, ms = 0) => usual(work, ms < 500 ? ms : 1_000_000);
  Object.assign(window, { setTimeout: timeout, usual });
}

function byItself(): void {
  Object.assign(window, { setTimeout: (window as unknown as { usual: unknown }).usual });
}

async function arrive(options: object = {}): Promise<string> {
  const { url } = await shareOf(daemon, options);
  await page.goto(url);
  return url;
}

test("a link is a shell; the page keeps its own rules and talks to nobody else", async () => {
  await arrive();
  await status("Connected");
  expect(await page.title()).toBe("dev · bhatti");
  await shown("$");
  await say("works");
  await shown("works");
  // Colours of 24 bits are style attributes, which the policy refuses as markup.
  await page.keyboard.type("printf '\\x1b[38;2;1;2;3mdeep\\x1b[0m\\n'\r");
  const coloured = page.locator(".xterm-rows span").getByText("deep", { exact: true });
  await coloured.waitFor();
  expect(await coloured.evaluate((one) => getComputedStyle(one).color)).toBe("rgb(1, 2, 3)");
  await page.keyboard.type("exit 3\r");
  await status("The shell has ended (exit code 3)");
  await button("New shell").click();
  await status("Connected");
  await say("again");
  await shown("again");
  expect(visitor.complaints).toEqual([]);
  expect([...visitor.hosts]).toEqual([new URL(daemon.url).host]);
});

test("the terminal is as large as the window", async () => {
  await arrive();
  await shown("$");
  const sizeAfter = async (word: string) => {
    await page.keyboard.type(`echo ${word}; stty size\r`);
    const size = new RegExp(`^${word}\\n(\\d+) (\\d+)$`, "m");
    let told: RegExpExecArray | null = null;
    await until("its size is shown", async () => {
      const rows = await page.locator(".xterm-rows > div").allTextContents();
      told = size.exec(rows.map((row) => row.trim()).join("\n"));
      return told !== null;
    });
    await page.keyboard.type("exit\r");
    await status("The shell has ended");
    return (told ?? []).slice(1).map(Number);
  };
  const [rows = 0, cols = 0] = await sizeAfter("large");
  expect(rows).toBeWithin(30, 45);
  expect(cols).toBeWithin(100, 140);
  await page.setViewportSize({ width: 600, height: 300 });
  await page.waitForFunction(() => document.querySelectorAll(".xterm-rows > div").length < 20);
  await button("New shell").click();
  await status("Connected");
  const [lower = 0, narrower = 0] = await sizeAfter("small");
  expect(lower).toBeLessThan(rows / 2);
  expect(narrower).toBeLessThan(cols * 0.7);
});

test("while it runs, a shell hears of the window's size", async () => {
  await arrive();
  await shown("$");
  await page.setViewportSize({ width: 500, height: 400 });
  await page.waitForFunction(() => document.querySelectorAll(".xterm-rows > div").length < 30);
  await page.keyboard.type("stty size\r");
  const told = page
    .locator(".xterm-rows > div")
    .getByText(/^\d+ \d+$/)
    .first();
  await told.waitFor();
  expect(Number((await told.textContent())?.split(" ")[0])).toBe(
    await page.locator(".xterm-rows > div").count(),
  );
});

test("copies what is selected, and pastes", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await arrive();
  await shown("$");
  await say("copied");
  await shown("copied");
  await page
    .locator(".xterm-rows span")
    .getByText("copied", { exact: true })
    .dblclick({ force: true });
  await page.keyboard.press("Control+Shift+C");
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await until("it is copied", async () => (await clipboard()) === "copied");
  await page.evaluate(() => navigator.clipboard.writeText("echo from the clipboard"));
  await page.keyboard.press("Control+Shift+V");
  await shown("$ echo from the clipboard");
});

test("much that is pasted at once arrives whole", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await arrive();
  await shown("$");
  await page.keyboard.type("cat\r");
  const line = "x".repeat(99);
  await page.evaluate((text) => navigator.clipboard.writeText(text), `${line}\n`.repeat(6000));
  await page.keyboard.press("Control+Shift+V");
  const logged = async () => (await listSessions(daemon))[0]?.log_bytes ?? 0;
  await until("all of it is there", async () => (await logged()) > 600_000);
  const [session] = await listSessions(daemon);
  await daemon.call("POST", `/sandboxes/dev/sessions/${session?.session_id}/kill`, {});
  await status("The shell has ended (SIGKILL)");
});

test("a connection that breaks comes back to the same shell, from where it was", async () => {
  using proxy = openCutProxy(daemon.url);
  const { url } = await shareOf(daemon);
  await page.goto(url.replace(daemon.url, proxy.url));
  await shown("$");
  await say("before");
  await shown("before");
  await page.evaluate(neverByItself);
  proxy.cut(true);
  await status("Connection lost, reconnecting");
  proxy.mend();
  await button("Reconnect now").click();
  await status("Connected");
  await page.evaluate(byItself);
  await say("after");
  await shown("after");
  proxy.cut();
  await status("Connection lost, reconnecting");
  await status("Connected");
  expect(await listSessions(daemon)).toHaveLength(1);
  expect(await page.locator(".xterm-rows").getByText("before", { exact: true }).count()).toBe(1);
});

test("when the daemon lost its line to the guest, the page comes back by itself", async () => {
  await arrive();
  await shown("$");
  await say("before");
  await shown("before");
  daemon.machine.body.guest.disconnect();
  await status("Connection lost, reconnecting");
  await status("Connected");
  await say("after");
  await shown("after");
  expect(await listSessions(daemon)).toHaveLength(1);
});

test("a page that is loaded again shows the shell as it was", async () => {
  await arrive();
  await shown("$");
  await say("before");
  await shown("before");
  await page.reload();
  await status("Connected");
  await shown("before");
  await say("after");
  await shown("after");
  expect(await listSessions(daemon)).toHaveLength(1);
});

test("whoever is disconnected is told why, and nothing is tried again", async () => {
  await arrive();
  await shown("$");
  await daemon.fetch("/sandboxes/dev/shell-token", { method: "DELETE" });
  await status("Disconnected: the link was revoked");
  await page.reload();
  await status("This link is invalid");
  expect(await page.getByRole("button").count()).toBe(0);
});

test("a link without its token says so", async () => {
  const url = await arrive();
  await page.goto(url.replace(/#.*/, "#"));
  await status("This link is incomplete");
});

test("a read-only link shows the newest shell, and takes no keys", async () => {
  await arrive({ read_only: true });
  await status("No terminal session to watch");
  await page.getByText("Read-only").waitFor();
  const { client } = await openSession(daemon, { shell: "new", tty: size });
  client.stdin("echo to be seen\r");
  await button("Watch again").click();
  await status("Watching sess-");
  await shown("to be seen");
  await page.keyboard.type("echo meddled\r");
  client.stdin("echo the end\r");
  await shown("the end");
  expect(client.stdout).not.toContain("meddled");
  client.close();
});

test("what is watched has the size that it has there, and fits into the window", async () => {
  const { client } = await openSession(daemon, { shell: "new", tty: { rows: 24, cols: 60 } });
  const line = (letter: string, count: number) => `printf '%0${count}d\\n' 0 | tr 0 ${letter}\r`;
  client.stdin(line("x", 70));
  await says(client, `${"x".repeat(70)}\r\n`);
  await arrive({ read_only: true });
  await status("Watching sess-");
  const rows = page.locator(".xterm-rows > div");
  await rows.getByText(/^x{60}$/).waitFor();
  expect(await rows.count()).toBe(24);

  client.tell({ type: "resize", rows: 60, cols: 200 });
  client.stdin(line("y", 210));
  await rows.getByText(/^y{200}$/).waitFor();
  expect(await rows.count()).toBe(60);
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 };
  const screen = await page.locator(".xterm-screen").boundingBox();
  expect(screen?.width).toBeWithin(width / 2, width);
  expect((screen?.y ?? 0) + (screen?.height ?? 0)).toBeLessThanOrEqual(height);
  client.close();
});

test("a sixth visitor is told that there are too many", async () => {
  const url = await arrive();
  await status("Connected");
  const others = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const other = await openPage(browser);
      await other.page.goto(url);
      await other.status("Connected");
      return other;
    }),
  );
  const sixth = await openPage(browser);
  await sixth.page.goto(url);
  await sixth.status("web session limit reached (5)");
  await others[0]?.[Symbol.asyncDispose]();
  await until("the daemon knows that one has left", async () => {
    return (await listSessions(daemon)).filter(({ attached }) => attached).length === 4;
  });
  await sixth.page.getByRole("button", { name: "Try again" }).click();
  await sixth.status("Connected");
  for (const one of [...others.slice(1), sixth]) await one[Symbol.asyncDispose]();
}, 120_000);
