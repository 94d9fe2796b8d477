import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { chunksOf, linesOf } from "../../src/host/lines.ts";
import { type Connection, connectUnix, listenUnix } from "../../src/host/socket.ts";
import { failureOf } from "../support/failure.ts";
import { generous } from "../support/fake-guest.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "socket-"));
});
afterAll(() => rm(directory, { recursive: true }));

let count = 0;
const newPath = () => join(directory, `socket-${++count}`);

/** Both ends of a connection. */
async function connected(): Promise<[Connection, Connection]> {
  const path = newPath();
  const accepted = Promise.withResolvers<Connection>();
  await listenUnix(path, accepted.resolve);
  const client = await connectUnix(path, { signal: generous() });
  return [client, await accepted.promise];
}

/** Longer than anything takes that is under way on other connections. */
async function roundTrip(): Promise<void> {
  const [client, server] = await connected();
  const answered = Promise.withResolvers<void>();
  server.onData((chunk) => void server.write(chunk));
  client.onData(() => answered.resolve());
  await client.write("ping");
  await answered.promise;
  client.close();
}

describe("connecting", () => {
  test("to a socket that is not there fails, and says which", async () => {
    const path = newPath();
    const failure = await failureOf(connectUnix(path, { signal: generous() }));
    expect(failure.code).toBe("machine_lost");
    expect(failure.message).toContain(path);
  });

  test("with retry waits for the socket", async () => {
    const path = newPath();
    const connecting = connectUnix(path, { signal: generous(), retry: true });
    // The first attempt has failed when a later one has.
    await failureOf(connectUnix(path, { signal: generous() }));
    await listenUnix(path, () => {});
    (await connecting).close();
  });

  test("with retry ends with its signal", async () => {
    const connecting = connectUnix(newPath(), { signal: AbortSignal.timeout(20), retry: true });
    expect((await failureOf(connecting)).code).toBe("cancelled");
  });

  test("to a path that is too long for a socket says so", async () => {
    const connecting = connectUnix(join(directory, "x".repeat(200)), { signal: generous() });
    expect((await failureOf(connecting)).code).toBe("bad_config");
  });
});

describe("a connection", () => {
  test("carries 20 MB, waiting for the reader", async () => {
    const [client, server] = await connected();
    const block = crypto.getRandomValues(new Uint8Array(65_536));
    const blocks = 305;
    const expected = new Bun.CryptoHasher("sha256");
    const received = new Bun.CryptoHasher("sha256");
    const all = Promise.withResolvers<void>();
    let bytes = 0;
    server.onData((chunk) => {
      received.update(chunk);
      bytes += chunk.length;
      if (bytes === blocks * block.length) all.resolve();
    });
    for (let index = 0; index < blocks; index++) {
      expected.update(block);
      await client.write(block);
    }
    await all.promise;
    expect(received.digest("hex")).toBe(expected.digest("hex"));
    client.close();
  });

  test("holds a writer back while nobody reads", async () => {
    const [client, server] = await connected();
    let accepted = 0;
    const writing = (async () => {
      for (; ; accepted++) await client.write(new Uint8Array(65_536));
    })();
    const outcome = failureOf(writing);
    await until("a write waits", () => client.buffered > 0);
    const before = accepted;
    await roundTrip();
    expect(accepted).toBe(before);
    expect(client.buffered).toBeGreaterThan(0);
    server.close();
    expect((await outcome).code).toBe("machine_lost");
  });

  test("that was closed stays closed, on both sides", async () => {
    const [client, server] = await connected();
    server.onData(() => {});
    client.close();
    expect(await client.closed).toBeUndefined();
    expect(await server.closed).toBeUndefined();
    for (const end of [client, server]) {
      expect((await failureOf(end.write("late"))).message).toBe("The connection is closed");
    }
  });

  test("delivers nothing while it is paused", async () => {
    const [client, server] = await connected();
    let text = "";
    server.onData((chunk) => {
      text += Buffer.from(chunk);
    });
    server.pause();
    await client.write("hello");
    await roundTrip();
    expect(text).toBe("");
    server.resume();
    await until("it is delivered", () => text === "hello");
    client.close();
  });
});

describe("lines", () => {
  async function* inPieces(text: string, size: number) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  test("are the same however the bytes were cut", async () => {
    const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), async (lines, size) => {
        for (const end of ["\n", "\r\n"]) {
          const text = lines.map((words) => words + end).join("");
          expect(await Array.fromAsync(linesOf(inPieces(text, size), { maxBytes: 1000 }))).toEqual(
            lines,
          );
        }
      }),
    );
  });

  test("include a last one without an end", async () => {
    expect(await Array.fromAsync(linesOf(inPieces("a\n\nb", 2), { maxBytes: 9 }))).toEqual([
      "a",
      "",
      "b",
    ]);
  });

  test("may not be longer than allowed", async () => {
    const reading = Array.fromAsync(linesOf(inPieces("x".repeat(50), 7), { maxBytes: 40 }));
    expect((await failureOf(reading)).code).toBe("machine_failed");
  });

  test("of a connection come until it is closed", async () => {
    const [client, server] = await connected();
    const reading = Array.fromAsync(linesOf(chunksOf(server), { maxBytes: 1_000_000 }));
    for (let index = 0; index < 1000; index++) await client.write(`line ${index}\n`);
    const last = "x".repeat(500_000);
    await client.write(last);
    await until("all is written", () => client.buffered === 0);
    client.close();
    const lines = await reading;
    expect(lines).toHaveLength(1001);
    expect(lines.at(-1)).toBe(last);
  });
});
