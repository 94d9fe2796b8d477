import { afterEach, expect, jest, test } from "bun:test";
import { Stall } from "./stall.ts";

const never = () => new Promise<never>(() => {});
const soon = () => AbortSignal.timeout(10);
const late = () => AbortSignal.timeout(60_000);

afterEach(() => void jest.useRealTimers());

test("a guest that cannot be paused is not stalled, and is paused by the next hold", async () => {
  const stall = new Stall({ resume: never, report() {} });
  const failing = stall.hold(() => Promise.reject(new Error("no")), late());
  await expect(failing).rejects.toThrow("no");
  expect(stall.isStalled).toBe(false);
  await stall.hold(async () => {}, late());
  expect(stall.isStalled).toBe(true);
  stall.end();
});

test("a guest that is paused after the deadline is stalled from then on", async () => {
  const stall = new Stall({ resume: never, report() {} });
  const stopped = Promise.withResolvers<void>();
  let stops = 0;
  const stop = () => {
    stops += 1;
    return stopped.promise;
  };
  await expect(stall.hold(stop, soon())).rejects.toMatchObject({ code: "cancelled" });
  expect(stall.isStalled).toBe(false);
  const second = stall.hold(stop, late());
  stopped.resolve();
  await second;
  expect(stall.isStalled).toBe(true);
  expect(stops).toBe(1);
  stall.end();
});

test("the end of a stall aborts an attempt to pause the guest", async () => {
  const stall = new Stall({ resume: never, report() {} });
  let aborted = false;
  const hanging = stall.hold((signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => {
      aborted = true;
      reject(signal.reason);
    });
    return promise;
  }, late());
  stall.end();
  await expect(hanging).rejects.toThrow();
  expect(aborted).toBe(true);
  expect(stall.isStalled).toBe(false);
});

/** Passes in steps, so that promises settle between two timers. */
async function pass(milliseconds: number): Promise<void> {
  for (let at = 0; at < milliseconds; at += 500) {
    jest.advanceTimersByTime(500);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }
}

function stallThat(resume: (stall: Stall) => void) {
  jest.useFakeTimers();
  const reports: boolean[] = [];
  const stall: Stall = new Stall({
    resume: async () => resume(stall),
    report: (isStalled) => void reports.push(isStalled),
  });
  return { stall, reports };
}

test("a stall is reported once however often resuming fails, and its end once", async () => {
  let isFull = true;
  const { stall, reports } = stallThat(() => {
    if (isFull) throw new Error("still full");
  });
  stall.begin();
  await pass(20_000);
  expect(stall.isStalled).toBe(true);
  expect(reports).toEqual([true]);
  isFull = false;
  await pass(20_000);
  expect(stall.isStalled).toBe(false);
  expect(reports).toEqual([true, false]);
});

test("a guest that QEMU pauses again right after it resumed has not left its stall", async () => {
  let attempts = 0;
  const { stall, reports } = stallThat(() => {
    attempts += 1;
    if (attempts <= 3) setTimeout(() => stall.begin(), 500);
  });
  stall.begin();
  await pass(9_000);
  expect(attempts).toBeGreaterThanOrEqual(3);
  expect(reports).toEqual([true]);
  await pass(20_000);
  expect(reports).toEqual([true, false]);
});

test("the end of the machine is not reported as the end of its stall", async () => {
  const { stall, reports } = stallThat(() => {});
  stall.begin();
  stall.end();
  await pass(20_000);
  expect(reports).toEqual([true]);
});
