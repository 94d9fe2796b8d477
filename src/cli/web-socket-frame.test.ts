import { expect, test } from "bun:test";
import { encodeFrame, FrameReader, Opcode } from "./web-socket-frame.ts";

/** As a server sends it: not masked. */
function serverFrame(opcode: number, payload: Uint8Array, final = true): Uint8Array {
  const extended = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const header = new Uint8Array(2 + extended);
  const view = new DataView(header.buffer);
  header[0] = (final ? 0x80 : 0) | opcode;
  header[1] = extended === 0 ? payload.length : extended === 2 ? 126 : 127;
  if (extended === 2) view.setUint16(2, payload.length);
  if (extended === 8) view.setBigUint64(2, BigInt(payload.length));
  return Buffer.concat([header, payload]);
}

function unmask(frame: Uint8Array): Uint8Array {
  const short = (frame[1] ?? 0) & 0x7f;
  const at = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
  return frame.slice(at + 4).map((byte, index) => byte ^ (frame[at + (index & 3)] ?? 0));
}

const payload = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7);
const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];

test.each(lengths)("a masked frame of %d bytes", (length) => {
  const frame = encodeFrame(Opcode.binary, payload(length));
  expect((frame[1] ?? 0) & 0x80).toBe(0x80);
  expect(unmask(frame)).toEqual(payload(length));
});

test.each(lengths)("a frame of %d bytes, whole and in pieces", (length) => {
  const bytes = serverFrame(Opcode.binary, payload(length));
  const expected = [{ final: true, opcode: Opcode.binary, payload: payload(length) }];
  expect(new FrameReader().push(bytes)).toEqual(expected);
  const reader = new FrameReader();
  const step = Math.max(1, Math.ceil(bytes.length / 37));
  const found = [];
  for (let at = 0; at < bytes.length; at += step) {
    found.push(...reader.push(bytes.subarray(at, at + step)));
  }
  expect(found).toEqual(expected);
});

test("several frames in one piece", () => {
  const frames = [
    serverFrame(Opcode.text, Buffer.from("a")),
    serverFrame(Opcode.binary, payload(300), false),
    serverFrame(Opcode.ping, payload(0)),
  ];
  const found = new FrameReader().push(Buffer.concat(frames));
  expect(found.map(({ opcode, final }) => [opcode, final])).toEqual([
    [Opcode.text, true],
    [Opcode.binary, false],
    [Opcode.ping, true],
  ]);
});

test.each([
  ["masked", Uint8Array.of(0x82, 0x80)],
  ["reserved bits", Uint8Array.of(0xc2, 0x00)],
  ["beyond all bounds", Uint8Array.of(0x82, 127, 0, 1, 0, 0, 0, 0, 0, 0)],
])("what is no frame of a server: %s", (_name, bytes) => {
  expect(() => new FrameReader().push(bytes)).toThrow();
});
