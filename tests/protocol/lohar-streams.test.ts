import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { initialCredit } from "../../src/agent/frame.ts";
import type { Guest, GuestProcess } from "../../src/agent/guest.ts";
import { collect, generous, isAlive, RealLohar, run, until } from "../support/lohar.ts";

setDefaultTimeout(300_000);

const block = crypto.getRandomValues(Buffer.alloc(65_536));
const content = Buffer.concat(Array(16).fill(block));
let lohar: RealLohar;
let guest: Guest;
beforeAll(async () => {
  lohar = await RealLohar.start();
  guest = await lohar.connect();
  await Bun.write(join(lohar.directory, "megabyte"), content);
});
afterAll(() => lohar[Symbol.asyncDispose]());

function start(script: string, stdin = false): Promise<GuestProcess> {
  return guest.exec({ argv: ["sh", "-c", script], stdin, timeoutMs: 600_000 }, generous());
}

async function hashOf(process: GuestProcess): Promise<{ bytes: number; sha256: string }> {
  const hasher = new Bun.CryptoHasher("sha256");
  let bytes = 0;
  for await (const { chunk } of process) {
    hasher.update(chunk.subarray(1));
    bytes += chunk.length - 1;
  }
  return { bytes, sha256: hasher.digest("hex") };
}

function expectedHash(times: number) {
  const hasher = new Bun.CryptoHasher("sha256");
  for (let count = 0; count < times; count++) hasher.update(content);
  return { bytes: times * content.length, sha256: hasher.digest("hex") };
}

function residentBytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return pages * 4096;
}

describe("output", () => {
  test.each([1, 100])("of %d MiB arrives byte for byte", async (times) => {
    const process = await start(`for i in $(seq ${times}); do cat megabyte; done`);
    expect(await hashOf(process)).toEqual(expectedHash(times));
    expect((await process.result).exitCode).toBe(0);
  });

  test("of four commands at once is not mixed up", async () => {
    const all = [1, 2, 3, 4].map(async (times) => {
      const process = await start(`for i in $(seq ${times * 5}); do cat megabyte; done`);
      expect(await hashOf(process)).toEqual(expectedHash(times * 5));
    });
    await Promise.all(all);
  });

  test("in single bytes keeps its order within each channel", async () => {
    const done = await run(
      guest,
      "for i in 0 1 2 3 4 5 6 7 8 9; do printf $i; printf $i >&2; done",
    );
    expect(done.stdout.toString()).toBe("0123456789");
    expect(done.stderr.toString()).toBe("0123456789");
  });
});

describe("a reader that stalls", () => {
  test("stalls its own command only, and takes little memory on both sides", async () => {
    const stalled = await start("cat /dev/zero");
    const output = stalled[Symbol.asyncIterator]();
    await output.next();
    await run(guest, "for i in $(seq 20); do cat megabyte; done");
    const before = residentBytes(lohar.pid);
    for (let count = 0; count < 5; count++) {
      const process = await start("for i in $(seq 20); do cat megabyte; done");
      expect(await hashOf(process)).toEqual(expectedHash(20));
      await guest.ping(generous());
    }
    expect(residentBytes(lohar.pid) - before).toBeLessThan(16 * initialCredit);
    let waiting = 0;
    while (waiting < 20 * initialCredit) waiting += (await output.next()).value?.chunk.length ?? 0;
    stalled.signal("KILL");
    await hashOf(stalled);
    expect((await stalled.result).signal).toBe("SIGKILL");
  });

  test("in the guest stalls the writer only", async () => {
    const stalled = await start("sleep 600", true);
    let outcome = "waiting";
    const writing = stalled.write(new Uint8Array(10_000_000)).catch(() => {
      outcome = "refused";
    });
    const input = crypto.getRandomValues(Buffer.alloc(60_000));
    const done = await run(guest, ["cat"], { input });
    expect(done.stdout.equals(input)).toBe(true);
    expect(outcome).toBe("waiting");
    stalled.signal("KILL");
    expect((await collect(stalled)).exitCode).toBe(137);
    await writing;
    expect(outcome).toBe("refused");
  });
});

describe("a process that was let go", () => {
  test("loses its stdin but runs on", async () => {
    const process = await start("cat > rest; echo more; sleep 0.05; echo finished > after", true);
    await process.write(Buffer.from("some"));
    process.release();
    const after = join(lohar.directory, "after");
    await until(() => Bun.file(after).exists());
    expect(await Bun.file(join(lohar.directory, "rest")).text()).toBe("some");
  });

  test("although it writes without end runs on until its time is over", async () => {
    const argv = ["sh", "-c", "cat /dev/zero"];
    const process = await guest.exec({ argv, stdin: false, timeoutMs: 500 }, generous());
    process.release();
    await until(() => !isAlive(process.pid));
    await guest.ping(generous());
  });
});
