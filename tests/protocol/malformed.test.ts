import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { encodeFrame, encodeMessage, FrameType } from "../../src/agent/frame.ts";
import { pause } from "../../src/async/deadline.ts";
import { failureOf } from "../support/failure.ts";
import { fakeHello, generous, roundTrip, startOn, withFakeGuest } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

const fakeProcess = {
  ...{ session: "s1", pid: 7, argv: ["true"], tty: false },
  ...{ started_unix_ms: 1, running: true },
};

describe("a guest that breaks the protocol loses the line", () => {
  const frame = (stream: number, type: number, payload: Uint8Array | number[] = [], flags = 0) =>
    encodeFrame(stream, type, Uint8Array.from(payload), flags);
  const message = encodeMessage;
  const result = { exit_code: 0, reason: "exited" };
  const longError = { code: "limit", message: "x".repeat(20_000) };
  const veryLongError = { code: "limit", message: "x".repeat(200_000) };
  const unknownFrames = Buffer.concat(Array(5000).fill(frame(9, 200)));

  // A process runs on stream 1.
  test.each<[string, Uint8Array, string]>([
    ["garbage", Buffer.alloc(50, 0xee), "says that it has"],
    ["a frame without its end", frame(1, FrameType.end, [1]).fill(0, 13), "cut off"],
    ["an invalid flag", frame(0, FrameType.reply, [123, 125], 2), "flags 2"],
    ["a request", message(0, FrameType.request, {}), "type 2"],
    ["a reply that is not JSON", frame(0, FrameType.reply, [123]), "not JSON"],
    ["a reply that is not UTF-8", frame(0, FrameType.reply, [34, 0xff, 34]), "not JSON"],
    ["a reply without an id", message(0, FrameType.reply, { result: {} }), "reply is malformed"],
    ["a reply to nothing", message(0, FrameType.reply, { id: 99, result: {} }), "not requested"],
    ["a reply on a stream", message(1, FrameType.reply, { id: 1, result: {} }), "on a stream"],
    ["output on the control stream", frame(0, FrameType.data, [1, 1]), "type 18"],
    ["a stream that nobody opened", frame(3, FrameType.data, [1, 1]), "which is not open"],
    ["a stream of its own", frame(2, FrameType.opened, [123, 125]), "which is not open"],
    ["output in parts", frame(1, FrameType.data, [1, 1], 1), "cannot be split"],
    ["empty output", frame(1, FrameType.data, [1]), "is empty"],
    ["output on stdin", frame(1, FrameType.data, [0, 1]), "channel 0"],
    ["output on channel 7", frame(1, FrameType.data, [7, 1]), "channel 7"],
    ["a credit of two bytes", frame(1, FrameType.credit, [1, 1]), "not 4 bytes"],
    ["a credit of nothing", frame(1, FrameType.credit, [0, 0, 0, 0]), "more credit than"],
    [
      "credit for what it was not sent",
      frame(1, FrameType.credit, [1, 0, 0, 0]),
      "more credit than",
    ],
    ["a second hello", message(0, FrameType.hello, fakeHello), "without having been greeted"],
    ["a long error", message(1, FrameType.error, longError), "error is malformed (message)"],
    ["a very long error", message(1, FrameType.error, veryLongError), "too long"],
    ["frames of unknown types without end", unknownFrames, "frames of unknown types a second"],
    ["an end of two bytes", frame(1, FrameType.end, [1, 1]), "not 1 byte"],
    [
      "output after its end",
      Buffer.concat([frame(1, FrameType.end, [1]), frame(1, FrameType.data, [1, 1])]),
      "after the end",
    ],
    ["a second start", message(1, FrameType.opened, { session: "s", pid: 1 }), "twice"],
    ["a close", frame(1, FrameType.close), "type 24"],
    ["a result without a code", message(1, FrameType.result, { reason: "exited" }), "exit_code"],
    [
      "an invented reason",
      message(1, FrameType.result, { exit_code: 0, reason: "lost" }),
      "result is malformed (reason)",
    ],
    [
      "anything after the result",
      Buffer.concat([message(1, FrameType.result, result), frame(1, FrameType.end, [1])]),
      "which is not open",
    ],
    [
      "a message without end",
      Buffer.concat(Array(200).fill(frame(1, FrameType.result, Buffer.alloc(32_768, 0x20), 1))),
      "too long",
    ],
  ])("by sending %s", async (_, bytes, words) => {
    await withFakeGuest(async (guest, host) => {
      await startOn(guest, host);
      const ping = host.ping(generous());
      guest.send(bytes);
      const why = await host.closed;
      expect(why.message).toContain(words);
      expect(await failureOf(ping)).toEqual({ code: "machine_lost", message: why.message });
    });
  });

  test("by replying with something else than was asked for", async () => {
    await withFakeGuest(async (guest, host) => {
      const stats = host.stats(generous());
      const { id } = await guest.nextMessage(FrameType.request);
      guest.message(0, FrameType.reply, { id, result: { disk_total: "much" } });
      expect((await failureOf(stats)).message).toContain(
        "reply to stats is malformed (disk_total)",
      );
    });
  });

  test("by answering a request twice", async () => {
    await withFakeGuest(async (guest, host) => {
      await roundTrip(guest, host);
      guest.message(0, FrameType.reply, { id: 1, result: {} });
      expect((await host.closed).message).toContain("not requested");
    });
  });

  test.each([
    ["processes", Array(1025).fill({}), "processes"],
    ["arguments", [{ ...fakeProcess, argv: Array(500_000).fill(0) }], "processes.0.argv"],
    ["long arguments", [{ ...fakeProcess, argv: ["x".repeat(2000)] }], "processes.0.argv"],
    ["a long name", [{ ...fakeProcess, session: "x".repeat(65) }], "processes.0.session"],
  ])("by a list of processes with %s beyond the limit", async (_which, processes, where) => {
    await withFakeGuest(async (guest, host) => {
      const listing = host.processes(generous());
      const { id } = await guest.nextMessage(FrameType.request);
      guest.message(0, FrameType.reply, { id, result: { processes } });
      const { message: why } = await failureOf(listing);
      expect(why).toContain(`reply to processes is malformed (${where})`);
    });
  });

  test("by sizes of a terminal without end", async () => {
    await withFakeGuest(async (guest, host) => {
      const sizes: unknown[] = [];
      const resized = (size: unknown) => sizes.push(size);
      const attaching = host.attach({ session: "s1", mode: "watch", resized }, generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      const opened = { session: "s1", pid: 7, tty: true, stdin: true, offset: 0 };
      guest.message(stream, FrameType.opened, opened);
      await attaching;
      const size = message(stream, FrameType.control, { type: "resize", rows: 1, cols: 1 });
      guest.send(Buffer.concat(Array(50_000).fill(size)));
      expect((await host.closed).message).toContain("200 sizes of its terminal a second");
      expect(sizes.length).toBeWithin(1000, 20_000);
    });
  });

  test("but not by a late answer to a request that was given up", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const ping = host.ping(controller.signal);
      const { id } = await guest.nextMessage(FrameType.request);
      controller.abort();
      await failureOf(ping);
      guest.message(0, FrameType.reply, { id, result: {} });
      await roundTrip(guest, host);
    });
  });

  test("but not by frames of a later version", async () => {
    await withFakeGuest(async (guest, host) => {
      guest.frame(9, 200, [1, 2, 3]);
      await roundTrip(guest, host);
    });
  });
});

describe("whatever a guest sends", () => {
  const messages = [
    { id: 1, result: {} },
    { id: 1, error: { code: "limit", message: "" } },
    { session: "s", pid: 1 },
    { exit_code: 0, reason: "exited" },
    { code: "protocol", message: "no" },
    { size: 5 },
  ];
  const payload = fc.oneof(
    fc.constantFrom(...messages).map((message) => Buffer.from(JSON.stringify(message))),
    fc.uint8Array({ maxLength: 6 }),
    fc.uint8Array({ minLength: 2, maxLength: 100 }).map((bytes) => bytes.fill(1, 0, 1)),
  );
  const frames = fc.record({
    stream: fc.constantFrom(0, 1, 3, 5),
    type: fc.oneof(
      fc.constantFrom(3, 17, 18, 18, 18, 19, 20, 22, 23),
      fc.integer({ max: 30, min: 0 }),
    ),
    flags: fc.constantFrom(0, 0, 0, 1),
    payload,
  });

  test("the line goes on, or ends with a reason and leaves nobody waiting", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frames, { minLength: 1, maxLength: 12 }), async (script) => {
        await withFakeGuest(async (guest, host) => {
          const deadline = generous();
          const file = { path: "/f", mode: 0o644, user: "lohar" as const };
          const running = await startOn(guest, host);
          const waiting = [
            running.process.result,
            running.process[Symbol.asyncIterator]().next(),
            running.process.write(new Uint8Array(300_000)),
            host.exec({ argv: ["true"], stdin: true, timeoutMs: 1 }, deadline),
            host.writeFile(file, new Uint8Array(300_000), deadline),
            host.stats(deadline),
          ].map((work) => work.catch((error: Error) => error));
          for (const { stream, type, flags, payload: bytes } of script) {
            guest.send(encodeFrame(stream, type, bytes, flags));
          }
          await pause(1, deadline);
          host.close();
          running.process.release(); // it may have a result already, but unread output before that
          expect((await host.closed).message).toStartWith("Lost the connection to the guest: ");
          for (const outcome of await Promise.all(waiting)) {
            if (outcome instanceof Error) expect(outcome.name).toBe("BhattiError");
          }
        });
      }),
      { numRuns: 150 },
    );
  });
});
