/** Clients that stall in the middle of a request: they are disconnected, and free what they held. */
import { expect, test } from "bun:test";
import { generousLimits, startFakeDaemon } from "../support/fake-daemon.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { until } from "../support/until.ts";

const limits = { ...generousLimits, stalledSeconds: 4 };

const uploads = {
  "PUT /sandboxes/dev/files?path=/tmp/x": "Content-Length: 20\r\n\r\nx",
  "PUT /sandboxes/dev/files/tar?path=/tmp": `Content-Length: 10240\r\n\r\n${"x".repeat(100)}`,
};

test.each(Object.entries(uploads))(
  "%s: an upload whose client sends nothing ends with timeout, and frees the sandbox",
  async (request, rest) => {
    await using daemon = await startFakeDaemon({ config: { limits } });
    await daemon.create({ name: "dev" });
    using connection = await RawConnection.open(daemon.url);
    connection.send(
      `${request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\n${rest}`,
    );
    await until("the answer", () => connection.bytes > 0);
    expect(connection.text).toContain("HTTP/1.1 504");
    expect(connection.text).toContain("the client did not continue the transfer for 4 s");
    const { body } = await daemon.call<{ activity: { reason: string } }>("GET", "/sandboxes/dev");
    expect(body.activity.reason).not.toContain("in use");
    await connection.closed;
  },
  120_000,
);

test("a request whose client sends only a part of the JSON body is disconnected", async () => {
  await using daemon = await startFakeDaemon({ config: { limits } });
  using connection = await RawConnection.open(daemon.url);
  connection.send(
    `POST /sandboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${daemon.key}\r\n` +
      'Content-Length: 20\r\n\r\n{"name"',
  );
  await connection.closed;
}, 60_000);
