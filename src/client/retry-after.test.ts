import { expect, test } from "bun:test";
import { DaemonError } from "./failure.ts";
import { retryAfterLimit } from "./retry-after.ts";

/** Refuses as often as there are seconds, then answers; `waits` are those in between, in milliseconds. */
function limited(seconds: (number | undefined)[]) {
  const left = [...seconds];
  const waits: number[] = [];
  const totals: number[] = [];
  const attempt = async () => {
    if (left.length === 0) return "answer";
    const error = { error: "rate limit exceeded", code: "rate_limited", retry_after: left.shift() };
    throw new DaemonError(429, error);
  };
  const result = retryAfterLimit(attempt, {
    onWait: (total) => totals.push(total),
    wait: async (milliseconds) => void waits.push(milliseconds),
  });
  return { result, waits, totals };
}

test("retryAfterLimit waits as long as each refusal says", async () => {
  const { result, waits, totals } = limited([1, 3, 0]);
  expect(await result).toBe("answer");
  expect(waits).toEqual([1000, 3000, 100]);
  expect(totals).toEqual([1000, 4000, 4100]);
});

test("retryAfterLimit throws the refusal before the waits reach a minute", async () => {
  const { result, waits } = limited([20, 20, 20, 20]);
  await expect(result).rejects.toThrow("rate limit exceeded");
  expect(waits).toEqual([20_000, 20_000]);
});

test("retryAfterLimit does not repeat what was refused without a time", async () => {
  const { result, waits } = limited([undefined]);
  await expect(result).rejects.toThrow("rate limit exceeded");
  expect(waits).toEqual([]);
});

test("retryAfterLimit ends with the signal's reason", async () => {
  const ended = new AbortController();
  const attempt = () => {
    ended.abort(new Error("ended"));
    throw new DaemonError(429, { error: "limit", code: "rate_limited", retry_after: 30 });
  };
  const result = retryAfterLimit(async () => attempt(), { signal: ended.signal });
  await expect(result).rejects.toMatchObject({ code: "cancelled" });
});
