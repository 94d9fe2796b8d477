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
}

export async function openPage(browser: Browser): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
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
  return { page, hosts, complaints, [Symbol.asyncDispose]: () => context.close() };
}
