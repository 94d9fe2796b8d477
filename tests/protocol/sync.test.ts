import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import vectors from "../../guest/lohar/vectors/frames.json";
import { encodeFrame, encodeMessage, type Frame, FrameType } from "../../src/agent/frame.ts";
import { MarkerHunt, markerBytes, markerWith, newNonce, preamble } from "../../src/agent/sync.ts";
import { SynchronisedReader } from "../../src/agent/synchronised-reader.ts";

setDefaultTimeout(120_000);

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

function read(nonce: Uint8Array, bytes: Uint8Array, options: { size: number; greetings: number }) {
  const frames: Frame[] = [];
  const reader = new SynchronisedReader(nonce, (frame) => frames.push(frame));
  for (let count = 0; count < options.greetings; count++) reader.greeted();
  for (let at = 0; at < bytes.length; at += options.size) {
    reader.feed(bytes.slice(at, at + options.size));
  }
  return frames;
}

describe("the shared vectors", () => {
  test.each(vectors.sync)("$name", (vector) => {
    const bytes = hex(vector.bytes_hex);
    const nonce = hex(vector.nonce_hex);
    const whole = read(nonce, bytes, { size: bytes.length, greetings: 2 });
    expect(whole).toHaveLength(vector.expect_frames_after);
    for (const size of [1, 2, 7, 31, 32, 33, 1000]) {
      // Hellos of earlier answers may come through; the host ignores them.
      const frames = read(nonce, bytes, { size, greetings: 2 });
      expect(frames.slice(frames.length - whole.length)).toEqual(whole);
    }
  });
});

describe("the hunt for the marker", () => {
  test("finds it wherever the chunks were cut, and says where it ends", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
        (before, sizes) => {
          const nonce = newNonce();
          const hunt = new MarkerHunt(nonce);
          const bytes = Buffer.concat([before, markerWith(nonce), Buffer.from("after")]);
          let at = 0;
          for (let turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            const end = hunt.find(bytes.subarray(at, at + size));
            if (end !== undefined) {
              expect(at + end).toBe(before.length + markerBytes);
              return;
            }
            at += size;
          }
          expect.unreachable();
        },
      ),
    );
  });

  test("passes over markers with another nonce and halves of its own", () => {
    const nonce = newNonce();
    const marker = markerWith(nonce);
    const bytes = Buffer.concat([markerWith(newNonce()), marker.subarray(0, 20), marker]);
    expect(new MarkerHunt(nonce).find(bytes)).toBe(bytes.length);
  });

  test("a greeting completes any frame that was half read, and ends with the marker", () => {
    const nonce = newNonce();
    const greeting = Buffer.from(preamble(nonce));
    expect(greeting.length).toBe(32_781 + markerBytes);
    expect(greeting.subarray(0, 32_781).every((byte) => byte === 0)).toBe(true);
    expect(greeting.subarray(32_781, 32_797).toString()).toBe("bhatti sync v1\r\n");
  });
});

describe("a greeting that had to be repeated", () => {
  const nonce = newNonce();
  const marker = markerWith(nonce);
  const hello = encodeMessage(0, FrameType.hello, { protocol: 1 });
  const reply = encodeMessage(0, FrameType.reply, { id: 1, result: {} });
  const sizes = [1, 5, 40, 100_000];
  const typesOf = (bytes: Uint8Array[], size: number, greetings = 2) =>
    read(nonce, Buffer.concat(bytes), { size, greetings }).map((frame) => frame.type);

  test.each(sizes)("may be answered twice (pieces of %d bytes)", (size) => {
    const types = typesOf([marker, hello, marker, hello, reply], size);
    expect(types.filter((type) => type !== FrameType.hello)).toEqual([FrameType.reply]);
    expect(types).toContain(FrameType.hello);
  });

  test.each(sizes)("may be answered once (pieces of %d bytes)", (size) => {
    expect(typesOf([marker, hello, reply], size)).toEqual([FrameType.hello, FrameType.reply]);
  });

  test.each(sizes)("may cut the first answer off anywhere (pieces of %d bytes)", (size) => {
    for (let cut = 0; cut < hello.length; cut++) {
      const types = typesOf([marker, hello.subarray(0, cut), marker, hello, reply], size);
      expect(types).toEqual([FrameType.hello, FrameType.reply]);
    }
  });

  test("is no excuse for garbage", () => {
    const garbage = new Uint8Array(100_000).fill(0xee);
    expect(() => typesOf([marker, garbage], 1000)).toThrow("A frame says that it has");
    expect(() => typesOf([marker, hello, garbage], 1000, 1)).toThrow("A frame says that it has");
  });

  test("does not let output pass for a marker once the guest has answered something", () => {
    const output = encodeFrame(1, FrameType.data, Buffer.concat([Uint8Array.of(1), marker]));
    expect(typesOf([marker, hello, reply, output], 10)).toEqual([
      FrameType.hello,
      FrameType.reply,
      FrameType.data,
    ]);
  });
});
