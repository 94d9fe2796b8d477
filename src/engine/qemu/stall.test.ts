import { expect, test } from "bun:test";
import { Stall } from "./stall.ts";

const never = () => new Promise<never>(() => {});
const soon = () => AbortSignal.timeout(10);
const late = () => AbortSignal.timeout(60_000);

test("a guest that cannot be paused is not stalled, and is paused by the next hold", async () => {
  const stall = new Stall(never);
  const failing = stall.hold(() => Promise.reject(new Error("no")), late());
  await expect(failing).rejects.toThrow("no");
  expect(stall.isStalled).toBe(false);
  await stall.hold(async () => {}, late());
  expect(stall.isStalled).toBe(true);
  stall.end();
});

test("a guest that is paused after the deadline is stalled from then on", async () => {
  const stall = new Stall(never);
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
  const stall = new Stall(never);
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
