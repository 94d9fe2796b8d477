import { expect, test } from "bun:test";
import { bytesOf, hasBytes, shownText, textOf } from "./byte-text.ts";

test.each<[string, number[], string]>([
  ["ASCII", [0x61, 0x2f], "a/"],
  ["UTF-8", [...Buffer.from("é😀\uFFFD\uFEFF")], "é😀\uFFFD\uFEFF"],
  ["a byte that begins nothing", [0x61, 0xff, 0x62], "a\0ffb"],
  ["a character that is cut short", [0xe2, 0x82], "\0e2\u000082"],
  ["one that is cut short by another", [0xe2, 0x82, 0x41], "\0e2\u000082A"],
  ["an overlong slash", [0xc0, 0xaf], "\0c0\0af"],
  ["a surrogate", [0xed, 0xa0, 0x80], "\0ed\0a0\u000080"],
  ["a NUL", [0x61, 0, 0x62], "a\0b"],
])("textOf and bytesOf are inverse: %s", (_, bytes, text) => {
  expect(textOf(Uint8Array.from(bytes))).toBe(text);
  expect([...bytesOf(text)]).toEqual(bytes);
  expect(hasBytes(text)).toBe(text.includes("\0"));
});

test("textOf and bytesOf are inverse for random bytes", () => {
  for (let seed = 1; seed < 500; seed++) {
    const bytes = Uint8Array.from(
      { length: seed % 40 },
      (_, i) => (((seed * 7919 * (i + 3)) >>> 5) % 255) + 1,
    );
    expect([...bytesOf(textOf(bytes))]).toEqual([...bytes]);
  }
});

test.each(["a\0", "a\0f", "a\u000041", "\u00002e\u00002e\u00002f", "a\0FF", "a\0+f", "\0\0ff"])(
  "bytesOf keeps the NUL of %j, which no file system takes",
  (text) => {
    expect(bytesOf(text)).toContain(0);
  },
);

test("shownText shows bytes in hexadecimal", () => {
  expect(shownText("a\0ffé")).toBe("a\\xffé");
});
