/** The page of the web shell in a real browser, over the fake engine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import type { Share } from "../../src/contract/shares.ts";
import { openBrowser, openPage } from "../support/browser.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";

let browser: Browser;
let daemon: FakeDaemon;

beforeAll(async () => {
  browser = await openBrowser();
  daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
});
afterAll(async () => {
  await browser.close();
  await daemon[Symbol.asyncDispose]();
});

async function share(options: object = {}): Promise<string> {
  const { body } = await daemon.call<Share>("POST", "/sandboxes/dev/shell-token", options);
  return body.url;
}

test("a link is a shell: types, shows, and talks to nobody else", async () => {
  await using visit = await openPage(browser);
  const { page } = visit;
  await page.goto(await share());
  await page.getByRole("status").getByText("Connected").waitFor();
  expect(await page.title()).toBe("dev · bhatti");
  await page.keyboard.type("printf 'wor\\x6bs\\n'\n");
  await page.locator(".xterm-rows").getByText("works").first().waitFor();
  await page.screenshot({ path: "/tmp/w/share-shot.png" });
  expect(visit.complaints).toEqual([]);
  expect([...visit.hosts]).toEqual([new URL(daemon.url).host]);
});
