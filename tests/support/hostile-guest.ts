/** An agent that breaks the rules, as a process of its own: `bun hostile-guest.ts <kind>` prints the path of its socket. */
import { encodeFrame, encodeMessage, FrameType } from "../../src/agent/frame.ts";
import { FakeGuest } from "./fake-guest.ts";

type Attack = (guest: FakeGuest) => Promise<void>;

const longName = JSON.stringify(["x".repeat(120_000), "file", 1, 0o644, 0, 0, 0]);

/** What the host expects when a stream of that kind, or of that job on files, is opened. */
const openedMessages: Record<string, object> = {
  exec: { session: "s", pid: 1 },
  read: { size: 1, mode: "0644", mtime_ms: 0, bytes: 1 },
  list: { path: "/d" },
};

async function opened(guest: FakeGuest): Promise<number> {
  const { stream, kind, op } = await guest.nextMessage(FrameType.open);
  guest.message(stream, FrameType.opened, openedMessages[String(op ?? kind)] ?? {});
  return stream;
}

/** At the pace at which the host takes it. */
async function flood(guest: FakeGuest, bytes: Uint8Array): Promise<void> {
  for (;;) await guest.sendWhenRoom(bytes);
}

const attacks: Record<string, Attack> = {
  /** 9,999 names of 120 kB, within the credit that the host gives. */
  async names(guest) {
    const stream = await opened(guest);
    let credit = 262_144;
    for (let sent = 0; sent < 9999; sent += 1) {
      const line = Buffer.from(`${longName}\n`);
      for (let at = 0; at < line.length; at += 30_000) {
        const piece = line.subarray(at, at + 30_000);
        for (credit -= piece.length; credit < 0; ) {
          const frame = await guest.next();
          if (frame.type === FrameType.credit) credit += Buffer.from(frame.payload).readUInt32LE();
        }
        guest.output(stream, 1, piece);
      }
    }
    guest.message(stream, FrameType.result, { entries: 9999, truncated: false });
  },
  /** Entries within the rules for each, without end. */
  async entries(guest) {
    const stream = await opened(guest);
    const line = JSON.stringify(["x".repeat(255), "link", 1, 0o777, 0, 0, 0, "\u{1}".repeat(4000)]);
    const piece = Buffer.from(`${line}\n`);
    for (let credit = 262_144; ; ) {
      for (credit -= piece.length; credit < 0; ) {
        const frame = await guest.next();
        if (frame.type === FrameType.credit) credit += Buffer.from(frame.payload).readUInt32LE();
      }
      guest.output(stream, 1, piece);
    }
  },
  /** Content without end, within the credit that the host gives. */
  async content(guest) {
    const stream = await opened(guest);
    const piece = Buffer.alloc(30_000);
    for (let credit = 262_144; ; ) {
      for (credit -= piece.length; credit < 0; ) {
        const frame = await guest.next();
        if (frame.type === FrameType.credit) credit += Buffer.from(frame.payload).readUInt32LE();
      }
      guest.output(stream, 1, piece);
    }
  },
  /** A frame says that it is longer than it is, and the next one begins within it. */
  async lengths(guest) {
    const stream = await opened(guest);
    const frame = Buffer.from(encodeFrame(stream, FrameType.data, Buffer.alloc(100, 0x5b)));
    frame.writeUInt32LE(32_000, 0);
    await flood(guest, Buffer.concat(Array(1000).fill(frame)));
  },
  async unknown(guest) {
    await opened(guest);
    await flood(guest, Buffer.concat(Array(50).fill(encodeFrame(3, 99, Buffer.alloc(32_000)))));
  },
  async replies(guest) {
    await opened(guest);
    const reply = { id: 1, result: { processes: Array(300_000).fill(0) } };
    await flood(guest, encodeMessage(0, FrameType.reply, reply));
  },
  /** Messages that go on for ever, on every stream there is. */
  async unfinished(guest) {
    const stream = await opened(guest);
    await flood(guest, encodeFrame(stream, FrameType.result, Buffer.alloc(32_768, 0x20), 1));
  },
};

await using guest = await FakeGuest.start();
const attack = attacks[process.argv[2] ?? ""];
if (!attack) throw new Error(`There is no attack "${process.argv[2]}"`);
console.log(guest.path);
await attack(guest).catch(() => {}); // the host has hung up
process.exit();
