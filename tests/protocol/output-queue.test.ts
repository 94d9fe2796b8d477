import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { initialCredit } from "../../src/agent/frame.ts";
import type { ExecOutput } from "../../src/agent/guest.ts";
import { OutputQueue } from "../../src/agent/output-queue.ts";

setDefaultTimeout(120_000);

const channels = [1, 2] as const;

async function drain(queue: OutputQueue): Promise<ExecOutput[]> {
  queue.end(() => {});
  const taken: ExecOutput[] = [];
  for (let next = await queue.next(); !next.done; next = await queue.next()) taken.push(next.value);
  return taken;
}

const bytesOf = (output: ExecOutput[], channel: number) =>
  Buffer.concat(
    output.filter((piece) => piece.channel === channel).map((piece) => piece.chunk.subarray(1)),
  );

describe("output that waits", () => {
  test("comes out as it went in, channel by channel", async () => {
    const pieces = fc.array(
      fc.tuple(fc.constantFrom(...channels), fc.uint8Array({ minLength: 1, maxLength: 5000 })),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (input) => {
        const queue = new OutputQueue(() => {});
        for (const [channel, data] of input) {
          queue.push(channel, Buffer.concat([Uint8Array.of(channel), data]));
        }
        const output = await drain(queue);
        for (const { channel, chunk } of output) expect(chunk[0]).toBe(channel);
        for (const channel of channels) {
          const data = input.filter(([of]) => of === channel).map(([, bytes]) => bytes);
          expect(bytesOf(output, channel).equals(Buffer.concat(data))).toBe(true);
        }
      }),
    );
  });

  test("takes few objects, in however small pieces it came", async () => {
    const queue = new OutputQueue(() => {});
    for (let count = 0; count < initialCredit; count++) {
      const channel = count % 2 === 0 ? 1 : 2;
      queue.push(channel, Uint8Array.of(channel, count));
    }
    const output = await drain(queue);
    expect(output.length).toBeLessThanOrEqual(1024);
    expect(bytesOf(output, 1).length + bytesOf(output, 2).length).toBe(initialCredit);
  });

  test("does not hold on to the large chunk that a small piece came in", async () => {
    const queue = new OutputQueue(() => {});
    const large = new Uint8Array(1_000_000);
    queue.push(1, large.subarray(10, 20));
    const [piece] = await drain(queue);
    expect(piece?.chunk.buffer.byteLength).toBeLessThan(1000);
  });

  test("is not read by two at once", async () => {
    const queue = new OutputQueue(() => {});
    const first = queue.next();
    await expect(queue.next()).rejects.toThrow("being read already");
    queue.push(1, Uint8Array.of(1, 5));
    expect((await first).value?.chunk).toEqual(Uint8Array.of(1, 5));
  });
});
