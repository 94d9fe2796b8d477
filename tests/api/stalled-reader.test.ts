import { expect, test } from "bun:test";
import { startFakeDaemon } from "../support/fake-daemon.ts";
import { RawConnection, textFrame } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

const cmd = ["sh", "-c", "echo $$ > pid; exec yes"];
const body = JSON.stringify({ cmd });
const handshake = (path: string, auth: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${auth}Connection: Upgrade\r\n` +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const requests = {
  NDJSON: (auth: string) => [
    `POST /sandboxes/dev/exec HTTP/1.1\r\nHost: x\r\n${auth}Accept: application/x-ndjson\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  ],
  WebSocket: (auth: string) => [handshake("/sandboxes/dev/exec/stream", auth), textFrame(body)],
  "a session's WebSocket": (auth: string) => [
    handshake("/sandboxes/dev/exec/stream", auth),
    textFrame(JSON.stringify({ cmd, session: true })),
  ],
  "an earlier client's WebSocket": (auth: string) => [
    handshake("/sandboxes/dev/exec/ws", auth),
    textFrame(body),
  ],
};

const kinds = Object.keys(requests) as (keyof typeof requests)[];
test.each(kinds)(
  "%s: a reader that stalls stalls the command, and costs no memory",
  async (kind) => {
    await using daemon = await startFakeDaemon();
    await daemon.create({ name: "dev" });
    const produced = async () => {
      const look = ["sh", "-c", "sed -n 's/^wchar: //p' /proc/$(cat pid)/io"];
      const { body } = await daemon.call<{ stdout: string }>("POST", "/sandboxes/dev/exec", {
        cmd: look,
      });
      return Number(body.stdout);
    };
    using connection = await RawConnection.open(daemon.url);
    for (const part of requests[kind](`Authorization: Bearer ${daemon.key}\r\n`)) {
      connection.send(part);
      await until("an answer", () => kind === "NDJSON" || connection.bytes > 0);
    }
    connection.stall();
    let before = -1;
    await until("the command stalls", async () => {
      before = await produced();
      await Bun.sleep(200);
      return before > 0 && (await produced()) === before;
    });
    expect(before).toBeLessThan(32_000_000);
    connection.resume();
    await until("output continues", async () => (await produced()) > before + 1_000_000);
  },
  120_000,
);
