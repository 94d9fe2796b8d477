/** A Chromium and its pages, which keep what the browser complained about and whom it talked to. */
import { type Browser, chromium, type Page } from "playwright-core";

/** As Debian installs it. */
const executablePath = "/usr/bin/chromium";

export function openBrowser(): Promise<Browser> {
  // As root there is no sandbox to be had; the pages are our own.
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Where requests and sockets went. */
  readonly hosts: Set<string>;
  /** Errors of the page, and what its policy refused. */
  readonly complaints: string[];
  /** Waits until the page's status says it, or has said it since it was asked last, however soon it said something else. */
  status(text: string): Promise<void>;
}

/** What the status has said that nobody asked for yet. */
declare const said: string[];

function keepStatus(): void {
  const said: string[] = [];
  Object.assign(window, { said });
  const look = () => {
    const text = document.querySelector("[role=status]")?.textContent ?? "";
    if (text !== said.at(-1)) said.push(text);
  };
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(look).observe(document, all);
}

function hasSaid(text: string): boolean {
  const at = said.findIndex((one) => one.includes(text));
  said.splice(0, at + 1);
  return at >= 0;
}

export async function openPage(browser: Browser): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.addInitScript(keepStatus);
  const hosts = new Set<string>();
  const complaints: string[] = [];
  const went = (url: string) => {
    if (!url.startsWith("data:")) hosts.add(new URL(url).host);
  };
  page.on("request", (request) => went(request.url()));
  page.on("websocket", (socket) => went(socket.url()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return {
    page,
    hosts,
    complaints,
    async status(text) {
      await page.waitForFunction(hasSaid, text);
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}
