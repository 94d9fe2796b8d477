/** Daemons that are not there, are not bhatti, or go away. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { binary, ensureBinary, runBinary } from "../support/binary.ts";
import { startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

beforeAll(ensureBinary);

const run = (url: string, args: string[], env: Record<string, string> = {}) =>
  runBinary(args, {
    env: { BHATTI_CONFIG: "/dev/null", BHATTI_URL: url, BHATTI_TOKEN: "bht_x", ...env },
  });

const servers: { stop(closeActive: boolean): Promise<void> }[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop(true))));

function serve(fetch: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

/** Upgrades, takes the first message, and does what it is told with the socket. */
function serveSocket(onStart: (socket: Bun.ServerWebSocket<undefined>) => void): string {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, own) =>
      own.upgrade(request) ? undefined : new Response("no", { status: 400 }),
    websocket: { message: (socket) => onStart(socket) },
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

test.each([[["list"]], [["exec", "dev", "true"]], [["create"]]])(
  "nobody listens: %p",
  async (args) => {
    expect(await run("http://127.0.0.1:1", args)).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        "Error: cannot reach the daemon at http://127.0.0.1:1: connection refused\nStart the daemon: bhatti serve\n",
    });
    const { stderr } = await run("http://127.0.0.1:1", ["--json", ...args]);
    expect(JSON.parse(stderr)).toEqual({
      error: "cannot reach the daemon at http://127.0.0.1:1: connection refused",
      code: "daemon_unreachable",
      hint: "Start the daemon: bhatti serve",
    });
  },
);

test.each([["list"], ["exec"]])("Ctrl+C ends %s while a daemon is silent", async (verb) => {
  const asked = Promise.withResolvers<void>();
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => asked.resolve() },
  });
  const url = `http://127.0.0.1:${server.port}`;
  const env = { PATH: process.env["PATH"], BHATTI_CONFIG: "/dev/null", BHATTI_URL: url };
  const args = verb === "list" ? ["list"] : ["exec", "dev", "true"];
  const child = Bun.spawn([binary, ...args], { env, stdin: "ignore", stderr: "ignore" });
  await asked.promise;
  child.kill("SIGINT");
  await child.exited;
  expect(child.signalCode).toBe("SIGINT");
  server.stop(true);
});

test.each([[["list"]], [["exec", "dev", "true"]]])("no such host: %p", async (args) => {
  expect(await run("http://nosuch.invalid", args)).toMatchObject({
    code: 1,
    stderr:
      "Error: cannot reach the daemon at http://nosuch.invalid: no such host\nCheck the daemon URL: bhatti setup, --url or BHATTI_URL\n",
  });
});

test.each([
  ["list", 200],
  ["list", 404],
  ["exec", 200],
  ["exec", 404],
] as const)("a web site: %s, %d", async (verb, status) => {
  const page = () =>
    new Response("<h1>hi</h1>", { status, headers: { "content-type": "text/html" } });
  const url = serve(page);
  const args = verb === "list" ? ["list"] : ["exec", "dev", "true"];
  expect(await run(url, args)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `Error: the server at ${url} is not a bhatti daemon: ${status} with text/html\nCheck the daemon URL: bhatti setup, --url or BHATTI_URL\n`,
  });
});

test("a proxy for the network is not asked for this machine", async () => {
  const url = serve(() => Response.json([]));
  expect(await run(url, ["list"], { HTTP_PROXY: "http://127.0.0.1:1" })).toMatchObject({ code: 0 });
});

test("a wrong key", async () => {
  await using daemon = await startCliDaemon();
  for (const args of [["list"], ["exec", "dev", "true"], ["create"]]) {
    const { code, stderr } = await run(daemon.url, args);
    expect(code).toBe(1);
    expect(stderr).toBe("401 Unauthorized: invalid api key\nCheck the API key: bhatti setup\n");
  }
  const version = await run(daemon.url, ["version"]);
  expect(version).toMatchObject({ code: 0, stderr: "" });
  expect(version.stdout).toMatch(/^server: v/m);
  expect(version.stdout).not.toContain("engine:");
  const known = await daemon.ok("version");
  expect(known).toMatch(/^engine: fake\naccelerator: none/m);
});

test("an internal error names the request", async () => {
  const url = serve(() =>
    Response.json(
      { error: "internal error", code: "internal", request_id: "req_1" },
      { status: 500 },
    ),
  );
  expect(await run(url, ["list"])).toMatchObject({
    code: 1,
    stderr: "500 Internal Server Error: internal error (req_1)\n",
  });
});

test("a hint of an error's own is passed on", async () => {
  const error = { error: "it runs", code: "conflict", request_id: "req_1", hint: "Wait a little" };
  const url = serve(() => Response.json(error, { status: 409 }));
  const text = await run(url, ["list"]);
  expect(text.stderr).toBe("409 Conflict: it runs\nWait a little\n");
  expect(JSON.parse((await run(url, ["list", "--json"])).stderr)).toEqual(error);
});

test("a daemon that asks for a newer CLI is heard, once", async () => {
  const answer = (minimum: string) =>
    serve(() => Response.json([], { headers: { "x-bhatti-min-cli": minimum } }));
  const old = await run(answer("99.1"), ["list", "--json"]);
  expect(old).toMatchObject({ code: 0, stdout: "[]\n" });
  expect(old.stderr).toMatch(
    /^Warning: this version of bhatti, [\d.]+, is older than 99\.1, which the daemon requires: update bhatti\n$/,
  );
  expect((await run(answer("v0.0.1"), ["list", "--json"])).stderr).toBe("");
});

const lost = (url: string) =>
  `Error: the connection to the daemon at ${url} was lost before the command ended; its exit code is unknown\n`;

test.each<[string, (socket: Bun.ServerWebSocket<undefined>) => void]>([
  ["close", (socket) => socket.close()],
  ["terminate", (socket) => socket.terminate()],
])("a connection that is lost is never a 0: %s", async (_name, end) => {
  const begun = Promise.withResolvers<Bun.ServerWebSocket<undefined>>();
  const url = serveSocket((socket) => {
    socket.sendBinary(Uint8Array.of(1, 0x68, 0x69));
    begun.resolve(socket);
  });
  const env = { PATH: process.env["PATH"], BHATTI_CONFIG: "/dev/null", BHATTI_URL: url };
  const child = Bun.spawn([binary, "exec", "dev", "true"], { env, stdout: "pipe", stderr: "pipe" });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("hi");
  end(await begun.promise);
  expect(await child.exited).toBe(1);
  expect(await new Response(child.stderr).text()).toStartWith(lost(url));
});

test("a sandbox that is lost is never an exit code", async () => {
  const url = serveSocket((socket) => {
    socket.send(JSON.stringify({ type: "exit", exit_code: -1, reason: "lost" }));
    socket.close();
  });
  for (const flags of [[], ["--json"]]) {
    const env = flags.length > 0 ? { BHATTI_FORCE_STREAM: "1" } : {};
    const { code, stderr } = await run(url, ["exec", ...flags, "dev", "true"], env);
    expect(code).toBe(1);
    expect(stderr).toContain("the sandbox failed before the command ended");
  }
});

test("a daemon that dies ends the command with an error", async () => {
  await using daemon = await startCliDaemon();
  await daemon.ok("create", "--name", "dev");
  const env = { PATH: process.env["PATH"], ...daemon.env };
  const command = ["exec", "dev", "--", "sh", "-c", "echo ready; sleep 1000"];
  const child = Bun.spawn([binary, ...command], { env, stdout: "pipe", stderr: "pipe" });
  await child.stdout.getReader().read(); // it runs
  await daemon.stop("SIGKILL");
  expect(await child.exited).toBe(1);
  expect(await new Response(child.stderr).text()).toStartWith(lost(daemon.url));
});

test("an error in the stream has status, words and hint", async () => {
  const url = serveSocket((socket) => {
    const error = { type: "error", error: "too much", code: "rate_limited", request_id: "req_2" };
    socket.send(JSON.stringify(error));
    socket.close();
  });
  expect(await run(url, ["exec", "dev", "true"])).toMatchObject({
    code: 1,
    stderr: "429 Too Many Requests: too much\nTry again in a few seconds\n",
  });
});

test("the command hears that nobody reads its output any more", async () => {
  const heard: string[] = [];
  let flood: ReturnType<typeof setInterval> | undefined;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, own) => (own.upgrade(request) ? undefined : new Response("no")),
    websocket: {
      message(socket, message) {
        heard.push(String(message));
        flood ??= setInterval(() => socket.sendBinary(new Uint8Array(65_536).fill(1)), 5);
      },
      close: () => clearInterval(flood),
    },
  });
  servers.push(server);
  const url = `http://127.0.0.1:${server.port}`;
  const script = `"${binary}" exec dev yes | head -c 1 | wc -c`;
  const env = { PATH: process.env["PATH"], BHATTI_CONFIG: "/dev/null", BHATTI_URL: url };
  const shell = Bun.spawn(["sh", "-c", script], { env, stdout: "pipe" });
  expect((await new Response(shell.stdout).text()).trim()).toBe("1");
  await until("the command hears of it", () => heard.length > 1);
  clearInterval(flood);
  expect(heard.slice(1, 2)).toEqual(['{"type":"signal","signal":"PIPE"}']);
});
