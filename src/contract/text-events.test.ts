import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Encoded, ReplacedText, TextEvents } from "./text-events.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const encode = (text: string) => new TextEncoder().encode(text);

test("text is text", () => {
  expect(new TextEvents().next(encode("hé"))).toEqual({ data: "hé" });
});

test("a character that is cut in two waits for its rest", () => {
  const events = new TextEvents();
  expect(events.next(bytes(0x61, 0xf0, 0x9f))).toEqual({ data: "a" });
  expect(events.next(bytes(0x98))).toBeUndefined();
  expect(events.next(bytes(0x80, 0x62))).toEqual({ data: "😀b" });
  expect(events.rest()).toBeUndefined();
});

test("one that never gets its rest is bytes", () => {
  const events = new TextEvents();
  expect(events.next(bytes(0xe2, 0x82))).toBeUndefined();
  expect(events.rest()).toEqual({ data: "4oI=", encoding: "base64" });
});

test.each([[[0xff]], [[0x80]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0x61, 0x80, 0x80]]])(
  "no UTF-8: %j",
  (values) => {
    const encoded = new TextEvents().next(bytes(...values));
    expect(encoded).toEqual({ data: bytes(...values).toBase64(), encoding: "base64" });
  },
);

const decode = ({ data, encoding }: Encoded) =>
  encoding ? Uint8Array.fromBase64(data) : encode(data);

test("whatever the bytes and the cuts, all of them come out in order", () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ unit: "binary" }).map(encode),
  );
  fc.assert(
    fc.property(fc.array(chunk), (chunks) => {
      const events = new TextEvents();
      const encoded = [...chunks.map((one) => events.next(one)), events.rest()];
      const out = encoded.flatMap((event) => (event ? [decode(event)] : []));
      expect(Buffer.concat(out)).toEqual(Buffer.concat(chunks));
    }),
  );
});

test("text stays text wherever it is cut", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), fc.nat(), (text, cut) => {
      const all = encode(text);
      const events = new TextEvents();
      const at = cut % all.length;
      const encoded = [events.next(all.subarray(0, at)), events.next(all.subarray(at))];
      expect(encoded.map((event) => event?.data ?? "").join("")).toBe(text);
      expect(events.rest()).toBeUndefined();
    }),
  );
});

test("without base64, bytes that are no character are replaced, and a cut character is not", () => {
  const text = new ReplacedText();
  expect(text.next(Uint8Array.of(0xc3))).toBeUndefined();
  expect(text.next(Uint8Array.of(0xa9, 0xff))).toEqual({ data: "é\ufffd" });
  expect(text.next(Uint8Array.of(0xf0, 0x9f))).toBeUndefined();
  expect(text.rest()).toEqual({ data: "\ufffd" });
  expect(text.rest()).toBeUndefined();
});
