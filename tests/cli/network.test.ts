/** The command line through proxies and TLS: both are the runtime's, for requests and for WebSockets alike. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/process.ts";
import { ensureBinary, runBinary } from "../support/binary.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";

let folder: string;
let daemon: CliDaemon;
beforeAll(async () => {
  await ensureBinary();
  folder = await mkdtemp(join(tmpdir(), "bhatti-network-"));
  daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A proxy that connects to the daemon for every host, and records the requested one. */
function startProxy() {
  const target = new URL(daemon.url);
  const asked: string[] = [];
  type Peers = { upstream?: Bun.Socket };
  const server = Bun.listen<Peers>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async data(client, chunk) {
        if (client.data?.upstream) {
          client.data.upstream.write(chunk);
          return;
        }
        asked.push(chunk.toString().split("\r\n")[0] ?? "");
        const upstream = await Bun.connect({
          hostname: target.hostname,
          port: Number(target.port),
          socket: {
            data: (_, answer) => void client.write(answer),
            close: () => void client.end(),
          },
        });
        client.data = { upstream };
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      },
      close: (client) => void client.data?.upstream?.end(),
    },
  });
  const dispose = () => server.stop(true);
  return { asked, url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: dispose };
}

const exec = (url: string, env: Record<string, string>) =>
  runBinary(["exec", "dev", "--", "echo", "hi"], {
    env: { BHATTI_CONFIG: "/dev/null", BHATTI_URL: url, BHATTI_TOKEN: daemon.key, ...env },
  });

test.each(["HTTP_PROXY", "http_proxy"])(
  "exec goes through the proxy that %s names",
  async (name) => {
    using proxy = startProxy();
    const outcome = await exec("http://bhatti.test:8080", { [name]: proxy.url });
    expect(outcome).toMatchObject({ code: 0, stdout: "hi\n", stderr: "" });
    expect(proxy.asked).toEqual(["CONNECT bhatti.test:8080 HTTP/1.1"]);
  },
);

test("exec reaches hosts in NO_PROXY, and this machine, without the proxy", async () => {
  using proxy = startProxy();
  const { port } = new URL(daemon.url);
  for (const env of [{ NO_PROXY: "example.com" }, { NO_PROXY: "*" }, {}] as Record<
    string,
    string
  >[]) {
    const outcome = await exec(`http://127.0.0.1:${port}`, { HTTP_PROXY: proxy.url, ...env });
    expect(outcome).toMatchObject({ code: 0, stdout: "hi\n" });
  }
  expect(proxy.asked).toEqual([]);
});

test("exec trusts a certificate only from a known authority and for the host's name", async () => {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  await run([
    ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
    ...["-keyout", key, "-out", certificate],
  ]);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { key: Bun.file(key), cert: Bun.file(certificate) },
    fetch: () => Response.json({ error: "invalid api key", code: "unauthorized" }, { status: 401 }),
  });
  try {
    const known = { NODE_EXTRA_CA_CERTS: certificate };
    const unknown = await exec(`https://localhost:${server.port}`, {});
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/certificate/i);
    const otherName = await exec(`https://127.0.0.1:${server.port}`, known);
    expect(otherName.code).toBe(1);
    expect(otherName.stderr).not.toContain("401");
    const right = await exec(`https://localhost:${server.port}`, known);
    expect(right.stderr).toStartWith("401 Unauthorized: invalid api key\n");
  } finally {
    await server.stop(true);
  }
});
