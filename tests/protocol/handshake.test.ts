import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { encodeFrame, FrameType } from "../../src/agent/frame.ts";
import { connectGuest } from "../../src/agent/lohar.ts";
import { failureOf } from "../support/failure.ts";
import { FakeGuest, fakeHello, generous } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

describe("the handshake", () => {
  test("tells what the guest says in its hello", async () => {
    const process = { session: "s1", pid: 5, argv: ["sh"], tty: true, started_unix_ms: 12 };
    await using guest = await FakeGuest.start((fake, marker) => {
      const processes = [
        { ...process, running: true, exit_code: null },
        { ...process, running: false, exit_code: 3 },
      ];
      fake.answer(marker, { ...fakeHello, stage: "mounted", processes, later: "ignored" });
    });
    const host = await connectGuest(guest.path, { signal: generous(), timeoutMs: 30_000 });
    expect(host.hello.version).toBe("0.0.0-fake");
    expect(host.hello.stage).toBe("mounted");
    expect(host.hello.processes[0]).toMatchObject({
      session: "s1",
      kind: "terminal",
      pid: 5,
      argv: ["sh"],
      tty: true,
      startedUnixMs: 12,
      running: true,
    });
    expect(host.hello.processes[1]?.exitCode).toBe(3);
    host.close();
  });

  test("throws stale output away", async () => {
    const stale = encodeFrame(3, FrameType.data, Buffer.from("\u0001left over"));
    await using guest = await FakeGuest.start((fake, marker) => {
      fake.send(stale.subarray(5));
      fake.send(Buffer.from("bhatti sync v1\r\nanother nonce..."));
      fake.send(stale);
      fake.send(stale.subarray(0, 9));
      fake.answer(marker);
    });
    const host = await connectGuest(guest.path, { signal: generous(), timeoutMs: 30_000 });
    expect(host.hello.stage).toBe("configured");
    host.close();
  });

  test("greets again when nothing comes, and bears two answers", async () => {
    await using guest = await FakeGuest.start((fake, marker, count) => {
      if (count < 2) return;
      fake.answer(marker);
      fake.answer(marker);
    });
    const host = await connectGuest(guest.path, { signal: generous(), timeoutMs: 30_000 });
    const ping = host.ping(generous());
    const { id } = await guest.nextMessage(FrameType.request);
    guest.message(0, FrameType.reply, { id, result: {} });
    await ping;
    host.close();
  });

  test("ends as guest_unresponsive when its time is over", async () => {
    await using guest = await FakeGuest.start(() => {});
    const connecting = connectGuest(guest.path, { signal: generous(), timeoutMs: 50 });
    expect(await failureOf(connecting)).toEqual({
      code: "guest_unresponsive",
      message: "The guest did not respond within 50 ms",
    });
    const absent = connectGuest(`${guest.path}-absent`, { signal: generous(), timeoutMs: 50 });
    expect((await failureOf(absent)).code).toBe("guest_unresponsive");
  });

  test("ends with the caller's signal", async () => {
    await using guest = await FakeGuest.start(() => {});
    const controller = new AbortController();
    const connecting = connectGuest(guest.path, { signal: controller.signal, timeoutMs: 60_000 });
    controller.abort();
    expect((await failureOf(connecting)).code).toBe("cancelled");
  });

  test.each([
    ["another protocol", { ...fakeHello, protocol: 2 }, "hello is malformed (protocol)"],
    ["an unknown stage", { ...fakeHello, stage: "dreaming" }, "hello is malformed (stage)"],
    ["no object", [], "hello is malformed"],
  ])("refuses a hello with %s", async (_, hello, words) => {
    await using guest = await FakeGuest.start((fake, marker) => fake.answer(marker, hello));
    const connecting = connectGuest(guest.path, { signal: generous(), timeoutMs: 60_000 });
    const { code, message } = await failureOf(connecting);
    expect(code).toBe("machine_lost");
    expect(message).toContain(words);
  });
});
