/** WebSocket clients that send and never read, with a right to be there or without. */
import { expect, test } from "bun:test";
// biome-ignore lint/style/noRestrictedImports: a paused socket of Bun does not see that it was closed
import { connect, type Socket } from "node:net";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { until } from "../support/until.ts";
import { knock, shareOf, visit } from "../support/web-shell.ts";

const megabyte = 1_048_576;

function frame(opcode: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}
const text = (message: string) => frame(1, Buffer.from(message));
/** As large as pings may be, some megabyte of them. */
const pings = Buffer.concat(Array(8000).fill(frame(9, new Uint8Array(125).fill(120))));

/** Reads the answer to its handshake, and no more. */
class Client implements Disposable {
  readonly #socket: Socket;
  head = "";
  isClosed = false;

  constructor(url: string, path: string, headers = "") {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.isClosed = true;
    });
    this.#socket.on("data", (data) => {
      this.head += data.toString("latin1");
      if (this.head.includes("\r\n\r\n")) this.#socket.pause();
    });
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
  }

  async status(): Promise<number> {
    await until("an answer", () => this.head.includes("\r\n\r\n") || this.isClosed);
    return Number(this.head.split(" ")[1]);
  }

  async send(bytes: Uint8Array): Promise<void> {
    let isSent = false;
    this.#socket.write(bytes, () => {
      isSent = true;
    });
    await until("it is sent", () => isSent || this.isClosed);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

test("20 clients of web shells that send pings and never read take little memory", async () => {
  await using daemon = await startFakeDaemon({ clock: new ManualClock() });
  const before = process.memoryUsage().rss;
  using clients = new DisposableStack();
  const statuses: number[] = [];
  const accepted: Client[] = [];
  for (let count = 0; count < 20; count += 1) {
    const client = clients.use(new Client(daemon.url, "/_shell/nobody/ws"));
    statuses.push(await client.status());
    await daemon.pass(200);
    for (let sent = 0; sent < 16 * megabyte; sent += pings.length) await client.send(pings);
    accepted.push(...(statuses.at(-1) === 101 ? [client] : []));
  }
  expect(accepted.length).toBeGreaterThanOrEqual(8);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * megabyte);
  expect(accepted.every(({ isClosed }) => isClosed)).toBeTrue();
}, 120_000);

test("few connections of an address wait for their token at once", async () => {
  await using daemon = await startFakeDaemon({ clock: new ManualClock() });
  const { id } = await daemon.create({ name: "dev" });
  const { token } = await shareOf(daemon, {});
  using clients = new DisposableStack();
  const open = async () => {
    await daemon.pass(1000);
    const client = new Client(daemon.url, "/_shell/nobody/ws");
    clients.use(client);
    return { client, status: await client.status() };
  };
  const first = await open();
  expect(first.status).toBe(101);
  for (let count = 1; count < 8; count += 1) expect((await open()).status).toBe(101);
  const refused = await open();
  expect(refused.status).toBe(429);
  expect(refused.client.head).toContain("Retry-After: 10\r\n");
  first.client[Symbol.dispose]();
  await until("there is room", async () => (await open()).status === 101);
  await daemon.pass(20_000); // until those that said nothing are disconnected
  for (let count = 0; count < 4; count += 1) {
    const { socket } = await visit(daemon, id, token);
    expect(socket.texts[0]).toContain("connected");
  }
  for (let count = 0; count < 12; count += 1) {
    await daemon.pass(3000);
    const socket = await knock(daemon, id, { type: "auth", token: "wrong" });
    await daemon.pass(3000);
    expect(await socket.told("error")).toEqual({ type: "error", error: "unauthorized" });
  }
}, 120_000);

test("a handshake that is not valid counts for nothing", async () => {
  await using daemon = await startFakeDaemon({ clock: new ManualClock() });
  for (let count = 0; count < 20; count += 1) {
    await daemon.pass(1000);
    const response = await fetch(`${daemon.url}/_shell/nobody/ws`, {
      headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    });
    expect(response.status).toBe(400);
  }
});

test("a client with a key that sends pings and never reads is cut", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev" });
  const authorization = `Authorization: Bearer ${daemon.key}\r\n`;
  using client = new Client(daemon.url, "/sandboxes/dev/exec/stream", authorization);
  expect(await client.status()).toBe(101);
  await client.send(text('{"cmd":["yes"]}'));
  for (let sent = 0; sent < 64 * megabyte; sent += pings.length) await client.send(pings);
  expect(client.isClosed).toBeTrue();
  await until("nothing is in use", async () => {
    const { body } = await daemon.call<{ activity: { reason: string } }>("GET", "/sandboxes/dev");
    return !body.activity.reason.startsWith("in use");
  });
}, 120_000);
