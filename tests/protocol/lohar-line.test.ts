import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeData,
  encodeFrame,
  encodeMessage,
  FrameType,
  initialCredit,
} from "../../src/agent/frame.ts";
import { markerWith, newNonce, preamble } from "../../src/agent/sync.ts";
import { generous, isAlive, type RawLine, RealLohar, run, until } from "../support/lohar.ts";

setDefaultTimeout(120_000);

const ping = { id: 1, method: "ping", params: {} };
const sleep = { kind: "exec", argv: ["sleep", "600"], stdin: true, timeout_ms: 600_000 };

async function withRaw(check: (line: RawLine, lohar: RealLohar) => Promise<void>): Promise<void> {
  await using lohar = await RealLohar.start();
  const line = await lohar.connectRaw();
  const hello = await line.greet();
  expect(JSON.parse(Buffer.from(hello.payload).toString())).toMatchObject({
    protocol: 1,
    processes: [],
  });
  await check(line, lohar);
  await line.cut();
}

describe("requests", () => {
  test("are answered: ping, sync, stats, processes", async () => {
    await withRaw(async (line) => {
      for (const [id, method] of ["ping", "sync", "stats", "processes"].entries()) {
        line.message(0, FrameType.request, { id, method, params: {} });
        const reply = await line.nextMessage(FrameType.reply);
        expect(reply).toMatchObject({ id, result: {} });
        if (method === "stats")
          expect(reply.result.disk_total).toBeGreaterThan(reply.result.disk_used);
        if (method === "processes") expect(reply.result.processes).toEqual([]);
      }
    });
  });

  test("that nobody knows, or that are wrong, are answered with an error", async () => {
    await withRaw(async (line) => {
      line.message(0, FrameType.request, { id: 7, method: "dance", params: {} });
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({
        id: 7,
        error: { code: "unknown_method" },
      });
      line.message(0, FrameType.request, {
        id: 8,
        method: "configure",
        params: { time_unix_ns: 5 },
      });
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({
        id: 8,
        error: { code: "bad_request" },
      });
    });
  });

  test("are answered by a guest through the client, too", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    await guest.ping(generous());
    await guest.sync(generous());
    const stats = await guest.stats(generous());
    expect(stats.memoryTotal).toBeGreaterThan(stats.memoryAvailable);
    expect(stats.diskUsed).toBeGreaterThan(0);
    await guest.freeze(generous());
    await guest.thaw(generous());
    expect((await run(guest, ["echo", "thawed"])).stdout.toString()).toBe("thawed\n");
  });

  test("to configure start the script of `init` once, as a session of that name", async () => {
    await using lohar = await RealLohar.start();
    const first = await lohar.connect();
    for (const _ of [1, 2])
      await first.configure({ init: "echo $$ >> init-ran; sleep 600" }, generous());
    const runs = () => readFile(join(lohar.directory, "init-ran"), "utf8").catch(() => "");
    await until(async () => (await runs()).endsWith("\n"));
    first.close();
    const second = await lohar.connect();
    expect(second.hello.stage).toBe("configured");
    expect(second.hello.processes).toEqual([
      expect.objectContaining({ session: "init", tty: true, running: true }),
    ]);
    expect(await runs()).toMatch(/^\d+\n$/);
  });

  test("to shut down let processes say goodbye, and end the line", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    const script = "trap 'echo bye > bye; exit' TERM; echo hi; while :; do sleep 0.01; done";
    const request = { argv: ["sh", "-c", script], stdin: false, timeoutMs: 600_000 };
    const process = await guest.exec(request, generous());
    await process[Symbol.asyncIterator]().next();
    await guest.shutdown(generous());
    expect((await guest.closed).message).toContain("closed by the guest");
    expect(await readFile(join(lohar.directory, "bye"), "utf8")).toBe("bye\n");
    await until(() => !isAlive(lohar.pid));
  });
});

describe("streams", () => {
  test.each([
    ["of an unknown kind", { kind: "dance" }],
    ["without a program", { ...sleep, argv: [] }],
    ["with a zero byte in a word", { ...sleep, argv: ["echo", "a\0b"] }],
    ["for an unknown user", { ...sleep, user: "nobody-there" }],
  ])("%s are refused", async (_, open) => {
    await withRaw(async (line) => {
      line.message(1, FrameType.open, open);
      expect(await line.nextMessage(FrameType.error)).toMatchObject({
        stream: 1,
        code: "bad_request",
      });
    });
  });

  test("that are sent more than they gave credit for are refused", async () => {
    await withRaw(async (line) => {
      line.message(1, FrameType.open, sleep);
      line.send(encodeData(1, 0, new Uint8Array(2 * initialCredit)));
      expect(await line.nextMessage(FrameType.error)).toMatchObject({
        stream: 1,
        code: "protocol",
      });
    });
  });

  test("beyond 256 are refused, and those that are open go on", async () => {
    await withRaw(async (line) => {
      for (let index = 0; index < 257; index++) line.message(2 * index + 1, FrameType.open, sleep);
      expect(await line.nextMessage(FrameType.error)).toMatchObject({ stream: 513, code: "limit" });
      line.message(1, FrameType.control, { type: "signal", signal: "SIGKILL" });
      expect(await line.nextMessage(FrameType.result)).toMatchObject({ stream: 1, exit_code: 137 });
    });
  });

  test("that are opened with a message over 4 MiB are refused", async () => {
    await withRaw(async (line) => {
      const part = Buffer.alloc(32_768, 0x20);
      for (let index = 0; index < 129; index++) line.send(encodeFrame(1, FrameType.open, part, 1));
      expect(await line.nextMessage(FrameType.error)).toMatchObject({
        stream: 1,
        code: "bad_request",
        message: "A message is longer than 4 MiB",
      });
    });
  });

  test("that nobody opened are passed over", async () => {
    await withRaw(async (line) => {
      line.send(
        encodeData(99, 0, new Uint8Array(10)),
        encodeFrame(99, FrameType.close, new Uint8Array(0)),
      );
      line.message(0, FrameType.request, ping);
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({ id: 1, result: {} });
    });
  });
});

describe("a line that was cut in the middle of a frame", () => {
  const request = encodeMessage(0, FrameType.request, { ...ping, filler: "x".repeat(1000) });
  const cuts = [1, 4, 11, 12, 13, 500, request.length - 1];

  test.each(cuts)("after %d bytes is found again, and tells what still runs", async (cut) => {
    await using lohar = await RealLohar.start();
    const line = await lohar.connectRaw();
    await line.greet();
    line.message(1, FrameType.open, sleep);
    const { session, pid } = await line.nextMessage(FrameType.opened);
    line.send(request.subarray(0, cut));
    await line.cut();
    const guest = await lohar.connect();
    expect(guest.hello.processes).toEqual([
      expect.objectContaining({ session, pid, argv: ["sleep", "600"], running: true }),
    ]);
    expect((await run(guest, "echo here")).stdout.toString()).toBe("here\n");
  });

  test.each(cuts)("after %d bytes is found again on the same connection", async (cut) => {
    await withRaw(async (line) => {
      line.send(request.subarray(0, cut));
      await line.greet();
      line.message(0, FrameType.request, ping);
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({ id: 1, result: {} });
    });
  });

  test("does not run what was half said", async () => {
    await withRaw(async (line, lohar) => {
      const touch = { ...sleep, argv: ["touch", join(lohar.directory, "touched")] };
      line.send(encodeMessage(1, FrameType.open, touch).subarray(0, -1));
      await line.greet();
      line.message(1, FrameType.open, { ...sleep, argv: ["true"] });
      await line.nextMessage(FrameType.result);
      expect(await Bun.file(join(lohar.directory, "touched")).exists()).toBe(false);
    });
  });

  test("ends a stream's stdin, but not its process", async () => {
    await using lohar = await RealLohar.start();
    const line = await lohar.connectRaw();
    await line.greet();
    const argv = ["sh", "-c", "cat; echo $$ > ended; sleep 600"];
    line.message(1, FrameType.open, { ...sleep, argv });
    await line.nextMessage(FrameType.opened);
    await line.cut();
    await lohar.connect();
    const pid = async () => Number(await readFile(join(lohar.directory, "ended")).catch(() => ""));
    await until(async () => (await pid()) > 0);
    expect(isAlive(await pid())).toBe(true);
  });
});

describe("a host that talks nonsense", () => {
  const nonsense: [string, Uint8Array][] = [
    ["noise", Buffer.alloc(100_000, 0xee)],
    ["zeros", new Uint8Array(100_000)],
    [
      "a frame that is too long",
      Buffer.from("ff ff ff 7f 00 00 00 00 02 00 a7 b4".replaceAll(" ", ""), "hex"),
    ],
    ["a frame without its end", encodeMessage(0, FrameType.request, ping).fill(0, 49)],
    ["unknown flags", encodeFrame(0, FrameType.request, new Uint8Array(3), 2)],
    ["half a marker", markerWith(newNonce()).subarray(0, 20)],
  ];

  test.each(nonsense)("(%s) is heard again after its next greeting", async (_, bytes) => {
    await withRaw(async (line) => {
      line.send(bytes);
      await line.greet();
      line.message(0, FrameType.request, ping);
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({ id: 1, result: {} });
    });
  });

  test("in JSON costs it one stream or one answer, not the agent", async () => {
    await withRaw(async (line) => {
      for (const text of ["", "{", "[]", "null", '{"id":"x"}', '{"kind":7}', "\xff\xfe"]) {
        line.send(encodeFrame(0, FrameType.request, Buffer.from(text, "latin1")));
        line.send(encodeFrame(1, FrameType.open, Buffer.from(text, "latin1")));
        line.send(encodeFrame(1, FrameType.control, Buffer.from(text, "latin1")));
      }
      await line.greet();
      line.message(0, FrameType.request, ping);
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({ id: 1, result: {} });
    });
  });

  test("and greets twice with one nonce is answered", async () => {
    await withRaw(async (line) => {
      const nonce = newNonce();
      line.send(preamble(nonce), preamble(nonce));
      await line.greet();
      line.message(0, FrameType.request, ping);
      expect(await line.nextMessage(FrameType.reply)).toMatchObject({ id: 1, result: {} });
    });
  });
});
