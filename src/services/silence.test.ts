import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { Silence } from "./silence.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("the timeout applies to the side whose turn it is, and names it", () => {
  const silence = new Silence("dev", 60);
  silence.expect("client");
  jest.advanceTimersByTime(59_999);
  silence.expect("sandbox");
  jest.advanceTimersByTime(119_999);
  expect(silence.signal.aborted).toBe(false);
  jest.advanceTimersByTime(1);
  expect(silence.signal.reason).toMatchObject({
    code: "guest_unresponsive",
    message: 'Sandbox "dev" did not continue the transfer for 120 s',
  });
});

test("no timeout starts after the end of the transfer", () => {
  const silence = new Silence("dev", 60);
  silence[Symbol.dispose]();
  silence.expect("client");
  expect(jest.getTimerCount()).toBe(0);
});
