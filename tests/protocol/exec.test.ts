import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FrameType, initialCredit, maxDataBytes, readUint32 } from "../../src/agent/frame.ts";
import type { ExecRequest, GuestProcess } from "../../src/agent/guest.ts";
import { failureOf } from "../support/failure.ts";
import { generous, roundTrip, startOn, withFakeGuest } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

const command: ExecRequest = { argv: ["cat"], stdin: true, timeoutMs: 60_000 };
const exited = { exit_code: 0, reason: "exited" };

async function textOf(process: GuestProcess): Promise<string[]> {
  const pieces: string[] = [];
  for await (const { channel, chunk } of process) {
    pieces.push(`${channel}:${Buffer.from(chunk.subarray(1))}`);
  }
  return pieces;
}

const codeOf = async (work: Promise<unknown>) => (await failureOf(work)).code;

describe("a process", () => {
  test("is opened with what was asked for", async () => {
    await withFakeGuest(async (guest, host) => {
      const tty = { rows: 5, cols: 9 };
      const request = {
        argv: ["a", "b"],
        env: { C: "d" },
        cwd: "/e",
        tty,
        stdin: true,
        timeoutMs: 9,
      };
      const starting = host.exec(request, generous());
      const { stream, ...open } = await guest.nextMessage(FrameType.open);
      expect(open).toEqual({
        kind: "exec",
        argv: ["a", "b"],
        env: { C: "d" },
        cwd: "/e",
        tty,
        stdin: true,
        timeout_ms: 9,
      });
      guest.message(stream, FrameType.opened, { session: "s1", pid: 7 });
      const process = await starting;
      expect([process.session, process.pid]).toEqual(["s1", 7]);
      process.resize({ rows: 6, cols: 10 });
      process.signal("INT");
      expect(await guest.nextMessage(FrameType.control)).toMatchObject({
        type: "resize",
        rows: 6,
        cols: 10,
      });
      expect(await guest.nextMessage(FrameType.control)).toMatchObject({
        type: "signal",
        signal: "SIGINT",
      });
    });
  });

  test("yields its output in order, then its result", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      guest.output(stream, 1, "one");
      guest.output(stream, 2, "two");
      guest.output(stream, 1, "three");
      guest.frame(stream, FrameType.end, [1]);
      guest.frame(stream, FrameType.end, [2]);
      guest.message(stream, FrameType.result, {
        exit_code: 130,
        reason: "signal",
        signal: "SIGINT",
      });
      expect(await textOf(process)).toEqual(["1:one", "2:two", "1:three"]);
      expect(await process.result).toEqual({ exitCode: 130, reason: "signal", signal: "SIGINT" });
    });
  });

  test("whose frames all come at once loses none of them", async () => {
    await withFakeGuest(async (guest, host) => {
      const starting = host.exec(command, generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      guest.message(stream, FrameType.opened, { session: "s1", pid: 7 });
      guest.output(stream, 1, "out");
      guest.message(stream, FrameType.result, exited);
      const process = await starting;
      await roundTrip(guest, host);
      expect(await textOf(process)).toEqual(["1:out"]);
      expect((await process.result).exitCode).toBe(0);
    });
  });

  test("has no result before its output was taken", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      guest.output(stream, 1, "out");
      guest.message(stream, FrameType.result, exited);
      await roundTrip(guest, host);
      let settled = false;
      void process.result.then(() => {
        settled = true;
      });
      await roundTrip(guest, host);
      expect(settled).toBe(false);
      await textOf(process);
      await process.result;
    });
  });

  test("that cannot start says why", async () => {
    await withFakeGuest(async (guest, host) => {
      const starting = host.exec(command, generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      guest.message(stream, FrameType.error, { code: "bad_request", message: "No such directory" });
      expect(await codeOf(starting)).toBe("bad_request");
      await roundTrip(guest, host);
    });
  });

  test("that fails later gives its output, then the error", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      guest.output(stream, 1, "out");
      guest.message(stream, FrameType.error, { code: "protocol", message: "Too much" });
      await roundTrip(guest, host);
      const output = process[Symbol.asyncIterator]();
      expect((await output.next()).value?.channel).toBe(1);
      expect(await codeOf(output.next())).toBe("guest_failed");
      expect(await codeOf(process.result)).toBe("guest_failed");
    });
  });
});

describe("letting go of a process", () => {
  test("before it runs closes its stream", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const starting = host.exec(command, controller.signal);
      const { stream } = await guest.nextMessage(FrameType.open);
      controller.abort();
      expect(await codeOf(starting)).toBe("cancelled");
      expect(await guest.next()).toMatchObject({ stream, type: FrameType.close });
      guest.message(stream, FrameType.opened, { session: "s1", pid: 7 });
      await roundTrip(guest, host);
    });
  });

  test("by its signal wakes who waits for it, with the reason", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const { stream, process } = await startOn(guest, host, {}, controller.signal);
      const reading = process[Symbol.asyncIterator]().next();
      controller.abort();
      expect(await codeOf(reading)).toBe("cancelled");
      expect(await codeOf(process.result)).toBe("cancelled");
      expect(await guest.next()).toMatchObject({ stream, type: FrameType.close });
    });
  });

  test("by its signal rejects the result when output waits for its consumer", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const { stream, process } = await startOn(guest, host, {}, controller.signal);
      guest.output(stream, 1, "one");
      guest.message(stream, FrameType.result, { exit_code: 0, reason: "exited" });
      await roundTrip(guest, host);
      controller.abort();
      expect(await codeOf(process.result)).toBe("cancelled");
      expect(await codeOf(process[Symbol.asyncIterator]().next())).toBe("cancelled");
    });
  });

  test("ends the loop over its output, and what is under way is dropped", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      guest.output(stream, 1, "one");
      for await (const _ of process) break;
      expect(await guest.next()).toMatchObject({ stream, type: FrameType.close });
      guest.output(stream, 1, "two");
      guest.frame(stream, FrameType.end, [1]);
      guest.message(stream, FrameType.result, exited);
      await roundTrip(guest, host);
      expect(await textOf(process)).toEqual([]);
      expect(await process.result).toEqual({ exitCode: -1, reason: "lost" });
      expect(await codeOf(process.write(Buffer.from("x")))).toBe("bad_request");
    });
  });

  test("that has ended already keeps its result", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      guest.output(stream, 1, "unread");
      guest.message(stream, FrameType.result, exited);
      await roundTrip(guest, host);
      process.release();
      process.release();
      expect((await process.result).exitCode).toBe(0);
      expect(guest.unread).toBe(0);
    });
  });

  test("does not allow the guest to go on with its stream for ever", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      process.release();
      const chunk = new Uint8Array(maxDataBytes);
      for (let sent = 0; sent < 4 * initialCredit; sent += chunk.length)
        guest.output(stream, 1, chunk);
      expect((await host.closed).message).toContain("keeps sending on a closed stream");
    });
  });
});

describe("credit", () => {
  test("comes back only as the consumer takes the output", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      const chunk = new Uint8Array(initialCredit / 16);
      for (let count = 0; count < 16; count++) guest.output(stream, 1, chunk);
      await roundTrip(guest, host);
      expect(guest.unread).toBe(0);
      const output = process[Symbol.asyncIterator]();
      for (let count = 0; count < 16; count++) await output.next();
      let returned = 0;
      while (returned < initialCredit) {
        const frame = await guest.next();
        expect(frame).toMatchObject({ stream, type: FrameType.credit });
        returned += readUint32(frame.payload, 0);
      }
      expect(returned).toBe(initialCredit);
    });
  });

  test("that is overdrawn costs the guest its line", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      const chunk = new Uint8Array(maxDataBytes);
      for (let sent = 0; sent <= initialCredit; sent += chunk.length)
        guest.output(stream, 1, chunk);
      expect((await host.closed).message).toContain("more than it had credit for");
      expect(await codeOf(process.result)).toBe("machine_lost");
    });
  });

  test("limits what is sent to stdin, without holding up others", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      const data = crypto.getRandomValues(new Uint8Array(60_000));
      const sent: Uint8Array[] = [];
      const all = Promise.all(Array.from({ length: 10 }, () => process.write(data)));
      process.closeStdin();
      const take = async (bytes: number) => {
        for (let taken = 0; taken < bytes; ) {
          const { type, payload } = await guest.next();
          expect(type).toBe(FrameType.data);
          sent.push(payload.subarray(1));
          taken += payload.length - 1;
          expect(taken).toBeLessThanOrEqual(bytes);
        }
      };
      await take(initialCredit);
      await roundTrip(guest, host);
      for (const credit of [1, 100_000, 600_000 - initialCredit - 100_001]) {
        guest.frame(stream, FrameType.credit, new Uint8Array(Uint32Array.of(credit).buffer));
        await take(credit);
      }
      await all;
      expect(await guest.next()).toMatchObject({ type: FrameType.end, payload: Buffer.from([0]) });
      expect(Buffer.concat(sent).equals(Buffer.concat(Array(10).fill(data)))).toBe(true);
      expect(await codeOf(process.write(data))).toBe("bad_request");
    });
  });

  test("that never comes does not outlive the process", async () => {
    await withFakeGuest(async (guest, host) => {
      const { stream, process } = await startOn(guest, host);
      const writing = process.write(new Uint8Array(2 * initialCredit));
      const later = process.write(new Uint8Array(1));
      process.closeStdin();
      guest.message(stream, FrameType.result, exited);
      expect(await codeOf(writing)).toBe("bad_request");
      expect(await codeOf(later)).toBe("bad_request");
      expect((await process.result).exitCode).toBe(0);
    });
  });

  test("without stdin, writing is refused at once", async () => {
    await withFakeGuest(async (guest, host) => {
      const starting = host.exec({ ...command, stdin: false }, generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      guest.message(stream, FrameType.opened, { session: "s1", pid: 7 });
      const process = await starting;
      process.closeStdin();
      expect(await codeOf(process.write(Buffer.from("x")))).toBe("bad_request");
      await roundTrip(guest, host);
    });
  });
});
