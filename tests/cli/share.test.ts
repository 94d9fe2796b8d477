/** Share links from the command line, and the page that the compiled binary has in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Share } from "../../src/contract/shares.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
});
afterAll(() => daemon[Symbol.asyncDispose]());

test("share prints a link that leads to the page", async () => {
  const said = await daemon.ok("share", "dev");
  const [, url = ""] = /^Shell: (\S+)\n$/.exec(said) ?? [];
  expect(url).toMatch(new RegExp(`^${daemon.url}/_shell/[0-9a-f]{16}#token=[0-9a-f]{64}$`));
  const page = await fetch(url);
  expect(page.status).toBe(200);
  const text = await page.text();
  expect(text).toContain("<title>Shell");
  expect(text).toContain("xterm-screen");
  expect(text).not.toMatch(/{{(nonce|style|script)}}/);
});

test("the link is the one by which the client reaches the daemon", async () => {
  const url = `${daemon.url.replace("127.0.0.1", "localhost")}/`;
  expect(await daemon.ok("share", "dev", "--url", url)).toStartWith(`Shell: ${url}_shell/`);
});

test("--ttl says when it ends, --json says all", async () => {
  const said = await daemon.ok("share", "dev", "--ttl", "1h");
  expect(said).toMatch(/^Shell: \S+\nExpires: in (59 min|60 min|1 h) \(\d{4}-.*Z\)\n$/);
  const share = JSON.parse(await daemon.ok("share", "dev", "--read-only", "--json")) as Share;
  expect(share).toEqual({
    token: expect.stringMatching(/^[0-9a-f]{64}$/),
    url: expect.stringContaining(`#token=${share.token}`),
    read_only: true,
  });
});

test("inspect says that a sandbox is shared, and never the link", async () => {
  const shared = async () => /Shared: +(.*)\n/.exec(await daemon.ok("inspect", "dev"))?.[1];
  await daemon.ok("share", "dev");
  expect(await shared()).toBe("shell, no expiry");
  const link = await daemon.ok("share", "dev", "--read-only", "--ttl", "1h", "--json");
  expect(await shared()).toMatch(/^read-only shell, expires in (59 min|60 min|1 h) \(\d{4}-.*Z\)$/);
  const { token, expires_at } = JSON.parse(link) as Share;
  const json = await daemon.ok("inspect", "dev", "--json");
  expect(JSON.parse(json)).toMatchObject({ share: { read_only: true, expires_at } });
  expect(json).not.toContain(token);
  await daemon.ok("share", "dev", "--revoke");
  expect(await shared()).toBeUndefined();
});

test.each(["0", "never", "5x", "366d"])("share refuses --ttl %s with the value", async (ttl) => {
  const { code, stderr } = await daemon.run(["share", "dev", "--ttl", ttl]);
  expect(code).toBe(1);
  const rule = "--ttl must be 1 to 31536000 seconds, as a number or such as 90s, 5m or 2h";
  expect(stderr).toContain(`${rule}, got "${ttl}"\n`);
});

test("--revoke succeeds, also when there was no link", async () => {
  for (let times = 0; times < 2; times++) {
    expect(await daemon.ok("share", "dev", "--revoke")).toBe("share/dev revoked\n");
  }
  const told = JSON.parse(await daemon.ok("share", "dev", "--revoke", "--json"));
  expect(told).toEqual({ sandbox: "dev", revoked: true });
});

test.each([
  [["share", "nobody"], "404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n"],
  [["share", "nobody", "--revoke"], "404 Not Found: sandbox not found\n"],
  [
    ["share", "dev", "--revoke", "--ttl", "1h"],
    "Error: --revoke cannot be used with --ttl or --read-only\n",
  ],
])("%p is refused", async (words, problem) => {
  const { code, stdout, stderr } = await daemon.run(words);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toStartWith(problem);
});
