import { expect, test } from "bun:test";
import { firstBytes } from "./send-stdin.ts";

async function taken(chunks: string[], size: number): Promise<string> {
  async function* bytes() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of firstBytes(bytes(), size)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("what is added to a file while it is sent does not belong to it", async () => {
  expect(await taken(["abc", "def"], 6)).toBe("abcdef");
  expect(await taken(["abc", "defghi", "jkl"], 5)).toBe("abcde");
});

test("a file that becomes shorter while it is sent is an error", async () => {
  const refused = taken(["abc"], 5);
  await expect(refused).rejects.toThrow(
    "the file on stdin shrank from 5 bytes while it was read, 2 are missing",
  );
});
