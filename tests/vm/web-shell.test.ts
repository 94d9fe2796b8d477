/** The web shell's page, in a real browser, over a real guest. */
import { expect, test } from "bun:test";
import type { Share } from "../../src/contract/shares.ts";
import { openBrowser, openPage } from "../support/browser.ts";
import { startMachineDaemon } from "../support/machine-daemon.ts";

test("a link opens a shell of a machine, also of one that sleeps, and comes back to it", async () => {
  await using daemon = await startMachineDaemon();
  await daemon.ok("create", "--name", "dev");
  await daemon.ok("stop", "dev");
  await using browser = await openBrowser();
  await using visitor = await openPage(browser);
  const { page } = visitor;
  const shown = (text: string) => page.locator(".xterm-rows").getByText(text).first().waitFor();
  const status = (text: string) => visitor.status(text);
  const { url } = await daemon.json<Share>("share", "dev");
  await page.goto(url);
  await status("Connected");
  expect(await page.title()).toBe("dev · bhatti");
  await page.keyboard.type("echo $((6 * 7)) is it; pwd; mood=calm\r");
  await shown("42 is it");
  await shown("/workspace");
  await page.setViewportSize({ width: 500, height: 400 });
  await page.waitForFunction(() => document.querySelectorAll(".xterm-rows > div").length < 30);
  const rows = await page.locator(".xterm-rows > div").count();
  await page.keyboard.type("stty size\r");
  await shown(`${rows} `);
  await page.reload();
  await status("Connected");
  await page.keyboard.type('echo "still $mood"\r');
  await shown("still calm");
  await page.keyboard.type("exit 3\r");
  await status("The shell has ended (exit code 3)");
  await daemon.ok("share", "dev", "--revoke");
  await page.reload();
  await status("This link is invalid");
  expect(visitor.complaints).toEqual([]);
});
