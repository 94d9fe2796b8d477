/** Sandboxes on private networks: outbound access and names on every path of a machine's life, and isolation. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/process.ts";
import {
  greeting,
  publicAddress,
  startInternet,
  uplinkAddress,
  uplinkRange,
} from "../support/internet.ts";
import {
  type MachineDaemon,
  prepareDaemon,
  startMachineDaemon,
} from "../support/machine-daemon.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(300_000);

let internet: AsyncDisposable;
let daemon: MachineDaemon;
beforeAll(async () => {
  internet = await startInternet();
  daemon = await startMachineDaemon({ poolSize: 1 });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
});

const guest = (name: string, ...command: string[]) => daemon.run(["exec", name, "--", ...command]);

/** The body of an HTTP answer; empty when there is no connection. Takes an address: a static busybox crashes on names. */
async function fetched(name: string, address: string, port = 80): Promise<string> {
  const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port}`;
  const { stdout } = await guest(name, "sh", "-c", request);
  return stdout.split("\r\n\r\n")[1] ?? "";
}

/** Answers every connection to port 81. */
async function serve(name: string, ...flags: string[]): Promise<void> {
  const server = "while :; do echo served | nc -l -p 81; done";
  await daemon.ok("exec", ...flags, "-u", "root", "--detach", name, "--", "sh", "-c", server);
}

const served = async (name: string, address: string) =>
  (await guest(name, "sh", "-c", `sleep 1 | nc -w 3 ${address} 81`)).stdout;

const rootIn = (name: string, script: string) =>
  daemon.run(["exec", "-u", "root", name, "--", "sh", "-c", script]);

async function addressOf(name: string): Promise<string> {
  const { stdout } = await guest(name, "ip", "-4", "-o", "address", "show", "dev", "eth0");
  return stdout.match(/inet ([\d.]+)\//)?.[1] ?? "";
}

async function links(): Promise<string[]> {
  const { stdout } = await run(["ip", "-json", "link", "show"]);
  return (JSON.parse(stdout) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .filter((name) => name.startsWith("bh"));
}

test("a sandbox has an address and reaches the Internet on every path of its life", async () => {
  await daemon.ok("create", "--name", "dev");
  const own = await addressOf("dev");
  expect(own).toMatch(/^10\.208\.1\.\d+$/);
  expect(await fetched("dev", publicAddress)).toBe(greeting);

  await daemon.ok("stop", "dev");
  await daemon.ok("start", "dev");
  expect([await addressOf("dev"), await fetched("dev", publicAddress)]).toEqual([own, greeting]);

  await daemon.kill("SIGKILL");
  await daemon.restart();
  expect([await addressOf("dev"), await fetched("dev", publicAddress)]).toEqual([own, greeting]);

  await daemon.ok("create", "--name", "copy", "--from", "dev");
  expect(await addressOf("copy")).not.toBe(own);
  expect(await fetched("copy", publicAddress)).toBe(greeting);
  expect((await guest("copy", "cat", "/sys/class/net/eth0/address")).stdout).not.toBe(
    (await guest("dev", "cat", "/sys/class/net/eth0/address")).stdout,
  );

  await daemon.ok("snapshot", "create", "dev", "--name", "then");
  await daemon.ok("snapshot", "resume", "then", "--name", "later");
  expect(await fetched("later", publicAddress)).toBe(greeting);
  await daemon.ok("snapshot", "restore", "then", "dev", "-y");
  expect([await addressOf("dev"), await fetched("dev", publicAddress)]).toEqual([own, greeting]);

  await daemon.ok("stop", "dev");
  await daemon.ok("start", "dev", "--force");
  expect([await addressOf("dev"), await fetched("dev", publicAddress)]).toEqual([own, greeting]);
  for (const name of ["copy", "later"]) await daemon.ok("destroy", name, "-y");
});

test("a copy of a sandbox drops the connections of its source", async () => {
  const script = `sleep 1000 | nc ${publicAddress} 80`;
  await daemon.ok("exec", "--detach", "dev", "--", "sh", "-c", script);
  await until("the connection is there", async () =>
    (await guest("dev", "cat", "/proc/net/tcp")).stdout.includes("09090909:0050 01"),
  );
  await daemon.ok("create", "--name", "copy", "--from", "dev");
  expect((await guest("copy", "cat", "/proc/net/tcp")).stdout).not.toContain("09090909:0050 01");
  expect((await guest("dev", "cat", "/proc/net/tcp")).stdout).toContain("09090909:0050 01");
  await daemon.ok("destroy", "copy", "-y");
});

test("names follow create, rename and destroy", async () => {
  await daemon.ok("create", "--name", "web");
  const address = await addressOf("web");
  const resolved = async (name: string) =>
    (await guest("dev", "nslookup", name)).stdout.match(/Name:.*\nAddress: (\S+)/)?.[1];
  expect(await resolved("web.sb")).toBe(address);
  expect(await resolved("web")).toBe(address);
  await serve("web");
  await daemon.ok("edit", "web", "--name", "site");
  await until("the new name resolves", async () => (await resolved("site.sb")) === address);
  expect(await resolved("web.sb")).toBeUndefined();
  await until("the server is reached", async () => (await served("dev", address)) === "served\n");
  await daemon.ok("destroy", "site", "-y");
  await until("the name is gone", async () => (await resolved("site.sb")) === undefined);
});

test("other users' sandboxes are out of reach", async () => {
  const args = ["user", "create", "--name", "other", "--data-dir", daemon.dataDir];
  const [key = ""] = (await daemon.ok(...args)).match(/bht_[0-9a-f]+/) ?? [];
  const as = ["--token", key];
  const root = ["exec", ...as, "-u", "root", "theirs", "--"];
  const address = "10.208.2.2";
  await daemon.ok("create", ...as, "--name", "theirs");
  await serve("theirs", ...as);
  expect(await daemon.ok(...root, "ip", "-4", "address")).toContain(`inet ${address}/24`);
  expect(await daemon.ok(...root, "ping", "-c", "1", "-W", "3", publicAddress)).toContain("ttl");
  expect(await served("dev", address)).toBe("");
  expect((await rootIn("dev", `ping -c 1 -W 3 ${address}`)).code).not.toBe(0);
  expect((await guest("dev", "nslookup", "theirs.sb")).stdout).not.toContain(address);
  const ping = await daemon.run([...root, "ping", "-c", "1", "-W", "3", await addressOf("dev")]);
  expect(ping.code).not.toBe(0);
  await daemon.ok("destroy", ...as, "theirs", "-y");
});

test("the host, its other addresses and private ranges are out of reach", async () => {
  using server = Bun.serve({ port: 0, hostname: "0.0.0.0", fetch: () => new Response("host") });
  const api = Number(new URL(daemon.url).port);
  const gateway = (await addressOf("dev")).replace(/\d+$/, "1");
  for (const host of [gateway, uplinkAddress, "198.19.0.1", "169.254.169.254", "10.208.2.2"]) {
    for (const port of [server.port ?? 0, api, 22]) {
      expect(`${host}:${port} ${await fetched("dev", host, port)}`).toBe(`${host}:${port} `);
    }
  }
  expect((await rootIn("dev", `ping -c 1 -W 3 ${gateway}`)).code).toBe(0);
});

test("a sandbox cannot use another address or card than its own", async () => {
  await daemon.ok("create", "--name", "thief");
  const [own, other] = [await addressOf("thief"), await addressOf("dev")];
  const free = own.replace(/\d+$/, "77");
  const gateway = own.replace(/\d+$/, "1");
  const pings = async (target: string) =>
    (await rootIn("thief", `ping -c 1 -W 3 ${target}`)).code === 0;
  expect(await pings(gateway)).toBe(true);

  await rootIn("thief", `ip address add ${free}/24 dev eth0; ip address del ${own}/24 dev eth0`);
  expect(await pings(gateway)).toBe(false);
  // The ARP of the gateway's address must not become the thief's.
  await rootIn("thief", `ip address add ${gateway}/24 dev eth0; arping -U -c 2 -I eth0 ${gateway}`);
  await rootIn("thief", `ip address add ${other}/24 dev eth0; arping -U -c 2 -I eth0 ${other}`);
  expect(await fetched("dev", publicAddress)).toBe(greeting);
  await daemon.ok("destroy", "thief", "-y");

  await daemon.ok("create", "--name", "thief");
  await rootIn(
    "thief",
    "ip link set eth0 down; ip link set eth0 address 52:54:00:01:02:03; ip link set eth0 up",
  );
  expect(await pings(gateway)).toBe(false);
  await daemon.ok("destroy", "thief", "-y");
});

test("a resolver that dies is started again", async () => {
  const lookup = async () => (await guest("dev", "nslookup", "dev.sb")).stdout.includes("Name:");
  expect(await lookup()).toBe(true);
  const { stdout } = await run(["cat", ...(await resolverRecords())]);
  process.kill((JSON.parse(stdout) as { pid: number }).pid, "SIGKILL");
  await until("names resolve again", lookup);
});

async function resolverRecords(): Promise<string[]> {
  const [bridge = ""] = (await links()).filter((name) => /^bh....b/.test(name));
  return [`${daemon.runtimeDir}-dns/${bridge}/process.json`];
}

test("a range that overlaps a route of the host is refused, with the route", async () => {
  await using other = await prepareDaemon({ network: `{ supernet: ${uplinkRange} }` });
  const { code, stderr } = await other.run(["serve"]);
  expect(code).toBe(1);
  expect(stderr).toContain(`network.supernet ${uplinkRange} overlaps the route 198.19.0.0/24`);
  expect(stderr).toContain("uplink");
});

test("without dnsmasq sandboxes run without a network, and version says why", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-path-"));
  try {
    const programs = "ln -s /usr/bin/* /usr/sbin/* . 2> /dev/null; rm dnsmasq";
    await run(["sh", "-c", programs], { cwd: folder });
    await using other = await startMachineDaemon({ env: { PATH: folder } });
    expect(await other.ok("version")).toMatch(/^network: none \(.*dnsmasq.*\)$/m);
    await other.ok("create", "--name", "alone");
    expect(await other.ok("exec", "alone", "--", "cat", "/proc/net/route")).not.toContain("eth0");
    expect(await other.ok("list")).toMatch(/^alone .* -$/m);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("nothing is left when the last sandbox is destroyed", async () => {
  const [record = ""] = await resolverRecords();
  await daemon.ok("destroy", "dev", "-y");
  // The pool's machine keeps its tap, which is connected to nothing.
  await until("the bridge is gone", async () =>
    (await links()).every((name) => /^bh....t/.test(name)),
  );
  expect(await Bun.file(record).exists()).toBe(false);
});
