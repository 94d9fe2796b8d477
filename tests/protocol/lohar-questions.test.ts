/** What a program has asked its terminal is asked once: a terminal that is shown it again would answer whoever is there. */
import { expect, test } from "bun:test";
import type { GuestProcess } from "../../src/agent/guest.ts";
import { generous, RealLohar } from "../support/lohar.ts";

const cursor = "\x1b[6n";
const background = "\x1b]11;?\x07";
const blank = (question: string) => "\0".repeat(question.length);

async function read(process: GuestProcess, bytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const { chunk } of process) {
    pieces.push(chunk.subarray(1));
    if (Buffer.concat(pieces).length >= bytes) break;
  }
  return Buffer.concat(pieces).toString();
}

test("whoever takes a terminal up is asked nothing that was asked before", async () => {
  await using lohar = await RealLohar.start();
  const guest = await lohar.connect();
  const output = `a${cursor}b${background}c\x1b[1md`;
  const first = await guest.exec(
    {
      argv: ["sh", "-c", 'printf %s "$1"; exec sleep 1000', "sh", output],
      tty: { rows: 24, cols: 80 },
      stdin: true,
      timeoutMs: 0,
      session: true,
    },
    generous(),
  );
  const { session } = first;
  expect(await read(first, output.length)).toBe(output);
  const shown = async (options: { mode: "control" | "watch"; from?: number }) => {
    const process = await guest.attach({ session, ...options }, generous());
    const text = await read(process, output.length);
    process.release();
    return text;
  };
  // Who only looks on takes nothing away from who has it, and who comes back was not there to answer.
  expect(await shown({ mode: "watch" })).toBe(output);
  expect(await shown({ mode: "control", from: 0 })).toBe(output);
  expect(await shown({ mode: "control" })).toBe(`a${blank(cursor)}b${blank(background)}c\x1b[1md`);
  const log: Uint8Array[] = [];
  for await (const piece of await guest.readLog({ session }, generous())) log.push(piece);
  expect(Buffer.concat(log).toString()).toBe(output);
  await guest.kill(session, "SIGKILL", generous());
});
