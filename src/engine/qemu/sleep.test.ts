import { expect, test } from "bun:test";
import type { Guest } from "../../agent/guest.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { answered } from "./guest-answer.ts";
import { Sleep, type SleepingMachine } from "./sleep.ts";
import { Stall } from "./stall.ts";

/** Until the signal. */
function silent(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

test("a VM whose agent does not answer is not held still, and nothing else is asked of it", async () => {
  const asked: string[] = [];
  const asks = (name: string) => (signal: AbortSignal) => {
    asked.push(name);
    return silent(signal);
  };
  const guest = { ping: asks("ping"), sync: asks("sync"), freeze: asks("freeze") };
  const machine = { guest: async () => guest as unknown as Guest } as unknown as SleepingMachine;
  const sleep = new Sleep(machine, new Stall({ resume: silent, report() {} }), "awake");
  const holding = sleep.holdStill(AbortSignal.timeout(60_000), async () => {
    asked.push("work");
  });
  await expect(holding).rejects.toMatchObject({ code: "guest_unresponsive" });
  expect(asked).toEqual(["ping"]);
  expect(sleep.isAwake).toBe(true);
}, 60_000);

test("a suspended VM stays suspended while the host disk is nearly full, and is not saved again", async () => {
  const machine = {
    guest: () => Promise.reject(new Error("asked the guest")),
    requireSpace: () => Promise.reject(new BhattiError("disk_full", "nearly full")),
    qmp: { execute: () => Promise.reject(new Error("asked QEMU")) },
  } as unknown as SleepingMachine;
  const sleep = new Sleep(machine, new Stall({ resume: silent, report() {} }), "saved");
  const signal = AbortSignal.timeout(60_000);
  await expect(sleep.unpause(signal)).rejects.toMatchObject({ code: "disk_full" });
  await sleep.save(signal);
  expect(sleep.isSaved).toBe(true);
});

test("a step without an answer fails with the way out; an aborted one is cancelled", async () => {
  await expect(answered(20, AbortSignal.timeout(60_000), silent)).rejects.toMatchObject({
    code: "guest_unresponsive",
    hint: expect.stringContaining("bhatti start --force"),
  });
  const aborted = answered(60_000, AbortSignal.abort(), silent);
  await expect(aborted).rejects.toMatchObject({ code: "cancelled" });
});
