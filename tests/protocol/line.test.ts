import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FrameType } from "../../src/agent/frame.ts";
import type { ExecRequest } from "../../src/agent/guest.ts";
import { failureOf } from "../support/failure.ts";
import { generous, startOn, withFakeGuest } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

const command: ExecRequest = { argv: ["true"], stdin: false, timeoutMs: 60_000 };
describe("requests", () => {
  test("are matched with their replies in any order", async () => {
    await withFakeGuest(async (guest, host) => {
      const stats = host.stats(generous());
      const sync = host.sync(generous());
      const asked = [
        await guest.nextMessage(FrameType.request),
        await guest.nextMessage(FrameType.request),
      ];
      expect(asked.map(({ method }) => method)).toEqual(["stats", "sync"]);
      guest.message(0, FrameType.reply, { id: asked[1].id, result: {} });
      await sync;
      const result = { disk_total: 4, disk_used: 3, memory_total: 2, memory_available: 1 };
      guest.message(0, FrameType.reply, { id: asked[0].id, result });
      expect(await stats).toEqual({
        diskTotal: 4,
        diskUsed: 3,
        memoryTotal: 2,
        memoryAvailable: 1,
      });
    });
  });

  test("give a configured guest the time and entropy of its own", async () => {
    await withFakeGuest(async (guest, host) => {
      const seen = new Set<string>();
      for (const hostname of ["one", "two"]) {
        const before = BigInt(Date.now());
        const configuration = { hostname, env: { A: "b" }, init: "true", machineId: "ab" };
        const done = host.configure(configuration, generous());
        const { id, params } = await guest.nextMessage(FrameType.request);
        expect(params).toMatchObject({ hostname, env: { A: "b" }, init: "true", machine_id: "ab" });
        expect(Buffer.from(params.entropy, "base64")).toHaveLength(64);
        expect(BigInt(params.time_unix_ns) / 1_000_000n).toBeGreaterThanOrEqual(before);
        seen.add(params.entropy);
        guest.message(0, FrameType.reply, { id, result: {} });
        await done;
      }
      expect(seen.size).toBe(2);
    });
  });

  test.each([
    ["bad_request", "bad_request"],
    ["not_found", "path_not_found"],
    ["no_space", "disk_full"],
    ["limit", "guest_busy"],
    ["freeze_failed", "guest_failed"],
    ["of a later version", "guest_failed"],
  ])("answered with the error %s reject with %s", async (code, expected) => {
    await withFakeGuest(async (guest, host) => {
      const freezing = host.freeze(generous());
      const { id } = await guest.nextMessage(FrameType.request);
      guest.message(0, FrameType.reply, { id, error: { code, message: "No\u001b[31m luck" } });
      expect(await failureOf(freezing)).toEqual({
        code: expected,
        message: "No [31m luck",
      } as never);
    });
  });

  test("that were given up are forgotten, and their late replies ignored", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const first = host.ping(controller.signal);
      const { id } = await guest.nextMessage(FrameType.request);
      controller.abort();
      expect((await failureOf(first)).code).toBe("cancelled");
      guest.message(0, FrameType.reply, { id, result: {} });
      const second = host.ping(generous());
      const asked = await guest.nextMessage(FrameType.request);
      guest.message(0, FrameType.reply, { id: asked.id, result: {} });
      await second;
      expect((await failureOf(host.ping(controller.signal))).code).toBe("cancelled");
    });
  });

  test("and replies may be longer than a frame", async () => {
    await withFakeGuest(async (guest, host) => {
      const done = host.configure({ init: "x".repeat(1_000_000) }, generous());
      const { id, params } = await guest.nextMessage(FrameType.request);
      expect(params.init).toHaveLength(1_000_000);
      guest.message(0, FrameType.reply, { id, result: { filler: "y".repeat(1_000_000) } });
      await done;
      const tooLong = host.configure({ init: "x".repeat(5_000_000) }, generous());
      expect((await failureOf(tooLong)).code).toBe("bad_request");
    });
  });
});

describe("a line that is lost", () => {
  test("fails everything that waits on it, and everything after", async () => {
    await withFakeGuest(async (guest, host) => {
      const { process } = await startOn(guest, host);
      const starting = host.exec(command, generous());
      const ping = host.ping(generous());
      const file = { path: "/f", mode: 0o644, user: "lohar" as const };
      const writing = host.writeFile(file, new Uint8Array(1_000_000), generous());
      const reading = process[Symbol.asyncIterator]().next();
      const stdin = process.write(new Uint8Array(1_000_000));
      const waiting = [ping, starting, writing, reading, stdin, process.result].map(failureOf);
      guest.cut();
      const why = await host.closed;
      expect(why.message).toBe("Lost the connection to the guest: closed by the guest");
      for (const failure of await Promise.all(waiting)) {
        expect(failure).toEqual({ code: "machine_lost", message: why.message });
      }
      for (const work of [host.ping(generous()), host.exec(command, generous())]) {
        expect(await failureOf(work)).toEqual({ code: "machine_lost", message: why.message });
      }
    });
  });

  test("because this side closed it says so", async () => {
    await withFakeGuest(async (_, host) => {
      host.close();
      expect((await host.closed).message).toContain("closed by the daemon");
    });
  });
});
