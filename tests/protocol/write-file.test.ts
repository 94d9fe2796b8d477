import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { FrameType, initialCredit } from "../../src/agent/frame.ts";
import type { GuestFile } from "../../src/agent/guest.ts";
import { failureOf } from "../support/failure.ts";
import { type FakeGuest, generous, roundTrip, withFakeGuest } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

const file: GuestFile = { path: "/etc/motd", mode: 0o4755, user: "root" };

/** Takes a file's bytes up to its end, giving credit as they come. */
async function takeContent(guest: FakeGuest, stream: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { type, payload } = await guest.next();
    if (type === FrameType.end) return Buffer.concat(pieces);
    pieces.push(payload.subarray(1));
    const credit = new Uint8Array(Uint32Array.of(payload.length - 1).buffer);
    guest.frame(stream, FrameType.credit, credit);
  }
}

describe("writing a file", () => {
  test.each([0, 1, 3 * initialCredit])(
    "of %d bytes sends them, then waits for the guest",
    async (size) => {
      await withFakeGuest(async (guest, host) => {
        const content = Buffer.alloc(size, "words ");
        const writing = host.writeFile(file, content, generous());
        const { stream, ...open } = await guest.nextMessage(FrameType.open);
        expect(open).toEqual({
          kind: "write",
          path: "/etc/motd",
          size,
          mode: "4755",
          user: "root",
        });
        expect((await takeContent(guest, stream)).equals(content)).toBe(true);
        guest.message(stream, FrameType.opened, {});
        guest.message(stream, FrameType.result, { size });
        await writing;
      });
    },
  );

  test("says whose it shall be when that is not who writes it", async () => {
    await withFakeGuest(async (guest, host) => {
      const writing = host.writeFile({ ...file, owner: "lohar" }, Buffer.of(1), generous());
      const { stream, ...open } = await guest.nextMessage(FrameType.open);
      expect(open).toMatchObject({ user: "root", owner: "lohar" });
      await takeContent(guest, stream);
      guest.message(stream, FrameType.opened, {});
      guest.message(stream, FrameType.result, { size: 1 });
      await writing;
    });
  });

  test("ends at once when the guest refuses it", async () => {
    await withFakeGuest(async (guest, host) => {
      const writing = host.writeFile(file, new Uint8Array(3 * initialCredit), generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      guest.message(stream, FrameType.error, { code: "no_space", message: "No space left" });
      expect(await failureOf(writing)).toEqual({ code: "disk_full", message: "No space left" });
    });
  });

  test("fails when the guest wrote something else", async () => {
    await withFakeGuest(async (guest, host) => {
      const writing = host.writeFile(file, new Uint8Array(3), generous());
      const { stream } = await guest.nextMessage(FrameType.open);
      guest.message(stream, FrameType.opened, {});
      guest.message(stream, FrameType.result, { size: 2 });
      expect((await failureOf(writing)).message).toBe("The guest wrote 2 bytes instead of 3");
    });
  });

  test("closes its stream when it is given up", async () => {
    await withFakeGuest(async (guest, host) => {
      const controller = new AbortController();
      const writing = host.writeFile(file, new Uint8Array(3 * initialCredit), controller.signal);
      const { stream } = await guest.nextMessage(FrameType.open);
      controller.abort();
      expect((await failureOf(writing)).code).toBe("cancelled");
      let frame = await guest.next();
      while (frame.type === FrameType.data) frame = await guest.next();
      expect(frame).toMatchObject({ stream, type: FrameType.close });
      await roundTrip(guest, host);
    });
  });
});
