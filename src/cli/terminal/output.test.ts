import { expect, test } from "bun:test";
import { type Descriptor, writeAll } from "./output.ts";

/** The same numbers for the same seed, from 0 to 1. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const errorOf = (code: string) => Object.assign(new Error(code), { code });

/** Takes some of the bytes, or none, or is interrupted, as `random` has it; fails for good after `room` bytes. */
function unreliable(random: () => number, room = Number.POSITIVE_INFINITY) {
  const taken: number[] = [];
  const pauses: number[] = [];
  const descriptor: Descriptor = {
    async write(bytes) {
      const kind = random();
      if (kind < 0.3) throw errorOf("EAGAIN");
      if (kind < 0.4) throw errorOf("EINTR");
      if (taken.length >= room) throw errorOf("ENOSPC");
      const most = Math.min(bytes.length, room - taken.length);
      const count = kind < 0.5 ? most : Math.ceil(random() * most);
      taken.push(...bytes.subarray(0, count));
      return count;
    },
    async pause(milliseconds) {
      pauses.push(milliseconds);
    },
  };
  return { descriptor, taken, pauses };
}

test("writeAll writes each byte once and in order, over 500 schedules of short and refused writes", async () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = randomNumbers(seed);
    const { descriptor, taken, pauses } = unreliable(random);
    const sent: number[] = [];
    for (let writes = 0; writes < 5; writes++) {
      const bytes = Uint8Array.from({ length: random() * 300 }, () => random() * 256);
      sent.push(...bytes);
      await writeAll(descriptor, bytes);
    }
    expect({ seed, taken }).toEqual({ seed, taken: sent });
    expect(pauses.every((pause) => pause >= 1 && pause <= 16)).toBe(true);
  }
});

test("writeAll fails with the kernel's error, after what there was room for", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { descriptor, taken } = unreliable(randomNumbers(seed), 40);
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    await expect(writeAll(descriptor, bytes)).rejects.toThrow("ENOSPC");
    expect(taken).toEqual([...bytes.subarray(0, 40)]);
  }
});

test("writeAll waits longer for a reader that takes nothing, up to 16 ms at a time", async () => {
  let refusals = 7;
  const pauses: number[] = [];
  const descriptor: Descriptor = {
    async write(bytes) {
      if (refusals-- > 0) throw errorOf("EAGAIN");
      return bytes.length;
    },
    async pause(milliseconds) {
      pauses.push(milliseconds);
    },
  };
  await writeAll(descriptor, new Uint8Array(1));
  expect(pauses).toEqual([1, 2, 4, 8, 16, 16, 16]);
});
