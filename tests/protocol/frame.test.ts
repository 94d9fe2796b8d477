import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import vectors from "../../guest/lohar/vectors/frames.json";
import {
  encodeCredit,
  encodeData,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameDecoder,
  FrameType,
  maxDataBytes,
  maxMessageBytes,
  maxPayloadBytes,
  ProtocolError,
} from "../../src/agent/frame.ts";
import { MessageAssembly } from "../../src/agent/message-assembly.ts";

setDefaultTimeout(120_000);

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

/** Feeds the bytes in pieces whose sizes repeat. */
function decode(bytes: Uint8Array, sizes: number[] = [bytes.length || 1]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    decoder.feed(bytes.slice(at, at + size), (frame) => frames.push(frame));
    at += size;
  }
  return frames;
}

function violationOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.violation;
    throw error;
  }
}

const anyFrame = fc.record({
  stream: fc.integer({ min: 0, max: 0xffff_ffff }),
  type: fc.integer({ min: 0, max: 255 }),
  flags: fc.constantFrom(0, 1),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc
      .tuple(fc.integer({ min: maxPayloadBytes - 2, max: maxPayloadBytes }), fc.nat(255))
      .map(([length, first]) => new Uint8Array(length).map((_, index) => first + index)),
  ),
});
const anySizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 70_000 })),
  {
    minLength: 1,
    maxLength: 8,
  },
);

describe("the shared vectors", () => {
  test.each(vectors.frames)("$name is encoded as lohar does it", (vector) => {
    const payload = hex(vector.payload_hex);
    const frame = encodeFrame(vector.stream, vector.type, payload, vector.flags);
    expect(Buffer.from(frame).toString("hex")).toBe(vector.frame_hex);
  });

  test.each(vectors.frames)("$name is decoded, whole and byte by byte", (vector) => {
    const { stream, type, flags } = vector;
    const expected = [{ stream, type, flags, payload: hex(vector.payload_hex) }];
    expect(decode(hex(vector.frame_hex))).toEqual(expected);
    expect(decode(hex(vector.frame_hex), [1])).toEqual(expected);
  });

  test.each(vectors.invalid)("$name is refused", (vector) => {
    expect(violationOf(() => decode(hex(vector.bytes_hex)))).toBe(vector.error);
    expect(violationOf(() => decode(hex(vector.bytes_hex), [1]))).toBe(vector.error);
  });
});

describe("the decoder", () => {
  test("gives back what was encoded, however it was cut", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), anySizes, (frames, sizes) => {
        const bytes = Buffer.concat(
          frames.map(({ stream, type, payload, flags }) =>
            encodeFrame(stream, type, payload, flags),
          ),
        );
        expect(decode(bytes, sizes)).toEqual(frames);
      }),
    );
  });

  test("answers garbage with frames or a ProtocolError, the same ones however it was cut", () => {
    const outcome = (bytes: Uint8Array, sizes?: number[]) =>
      violationOf(() => decode(bytes, sizes));
    fc.assert(
      fc.property(anyFrame, fc.uint8Array({ maxLength: 200 }), anySizes, (frame, noise, sizes) => {
        const bytes = encodeFrame(frame.stream, frame.type, frame.payload, frame.flags);
        const at = Math.max(0, bytes.length - 100);
        const damaged = Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
        expect(outcome(damaged, sizes)).toBe(outcome(damaged));
      }),
    );
  });

  test("does not copy a frame that lies in one chunk", () => {
    const chunk = encodeFrame(1, FrameType.data, new Uint8Array(1000));
    new FrameDecoder().feed(chunk, (frame) =>
      expect(frame.payload.buffer).toBe(chunk.buffer as ArrayBuffer),
    );
  });

  test("starts over after a reset in the middle of a frame", () => {
    const frame = encodeFrame(1, FrameType.data, Uint8Array.of(1, 2));
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    for (const cut of [5, 13]) {
      decoder.feed(frame.subarray(0, cut), () => {});
      decoder.reset();
    }
    decoder.feed(frame, (whole) => frames.push(whole));
    expect(frames).toHaveLength(1);
  });
});

describe("the encoder", () => {
  test("cuts data into frames that each carry the channel", () => {
    const data = new Uint8Array(2 * maxDataBytes + 5).map((_, index) => index);
    const frames = decode(encodeData(3, 2, data));
    expect(frames.map((frame) => frame.payload.length)).toEqual([
      maxPayloadBytes,
      maxPayloadBytes,
      6,
    ]);
    expect(frames.every((frame) => frame.payload[0] === 2 && frame.stream === 3)).toBe(true);
    expect(Buffer.concat(frames.map((frame) => frame.payload.subarray(1)))).toEqual(
      Buffer.from(data),
    );
  });

  test("writes a credit as four bytes", () => {
    expect(decode(encodeCredit(1, 0x01020304))[0]?.payload).toEqual(Buffer.from([4, 3, 2, 1]));
  });

  test("splits a long message, which is put together again", () => {
    const message = { text: "é".repeat(100_000) };
    const assembly = new MessageAssembly();
    const whole = decode(encodeMessage(0, FrameType.reply, message))
      .map((frame) => assembly.add(frame))
      .filter((payload) => payload !== undefined);
    expect(whole.map((payload) => JSON.parse(Buffer.from(payload).toString()))).toEqual([message]);
  });

  test("refuses a message over 4 MiB", () => {
    const message = "x".repeat(maxMessageBytes);
    expect(violationOf(() => encodeMessage(0, FrameType.request, message))).toBe("too_long");
  });
});

describe("messages in parts", () => {
  const part = (stream: number, type: number, length: number, flags = 1): Frame => ({
    stream,
    type,
    flags,
    payload: new Uint8Array(length),
  });

  test("of two streams may alternate", () => {
    const assembly = new MessageAssembly();
    expect(assembly.add(part(1, FrameType.opened, 2))).toBeUndefined();
    expect(assembly.add(part(3, FrameType.opened, 5))).toBeUndefined();
    expect(assembly.add(part(1, FrameType.opened, 1, 0))).toHaveLength(3);
    expect(assembly.add(part(3, FrameType.opened, 1, 0))).toHaveLength(6);
  });

  test("may not change their type, be empty, or grow without end", () => {
    const changed = new MessageAssembly();
    changed.add(part(1, FrameType.opened, 2));
    expect(violationOf(() => changed.add(part(1, FrameType.result, 2)))).toBe("bad_order");
    expect(violationOf(() => new MessageAssembly().add(part(1, FrameType.opened, 0)))).toBe(
      "bad_payload",
    );
    const endless = new MessageAssembly();
    const grow = () => {
      for (let count = 0; count < 200; count++)
        endless.add(part(0, FrameType.reply, maxPayloadBytes));
    };
    expect(violationOf(grow)).toBe("too_long");
  });

  test("of many streams may not fill the memory together", () => {
    const assembly = new MessageAssembly();
    const flood = () => {
      for (let stream = 1; stream < 1000; stream += 2) {
        assembly.add(part(stream, FrameType.opened, maxPayloadBytes));
      }
    };
    expect(violationOf(flood)).toBe("too_long");
  });
});
