import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { HeldStream } from "./held-stream.ts";
import { Silence } from "./silence.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** An endless source, with what has been done to it and to the sandbox. */
function held(next: () => Promise<IteratorResult<string>>) {
  const done: string[] = [];
  const iterator = { next };
  const source = {
    release: () => void done.push("released"),
    [Symbol.asyncIterator]: () => iterator,
  };
  const stream = new HeldStream(source, {
    use: { [Symbol.dispose]: () => void done.push("sandbox may pause") },
    silence: new Silence("dev", 60),
    async explain(error) {
      done.push((error as Error).message);
      return error;
    },
  });
  return { pieces: stream[Symbol.asyncIterator](), done };
}

test("a download whose client stops reading is released after 60 s, and fails when it reads on", async () => {
  const { pieces, done } = held(async () => ({ done: false, value: "piece" }));
  await pieces.next();
  jest.advanceTimersByTime(59_999);
  expect(await pieces.next()).toEqual({ done: false, value: "piece" });
  jest.advanceTimersByTime(59_999);
  expect(done).toEqual([]);
  jest.advanceTimersByTime(1);
  const message = "the client did not continue the transfer for 60 s";
  expect(done).toEqual([message, "released", "sandbox may pause"]);
  await expect(pieces.next()).rejects.toMatchObject({ code: "timeout", message });
});

test("a download that has ended has no timeout", async () => {
  const { pieces, done } = held(async () => ({ done: true, value: undefined }));
  await pieces.next();
  expect(done).toEqual(["sandbox may pause"]);
  expect(jest.getTimerCount()).toBe(0);
});
