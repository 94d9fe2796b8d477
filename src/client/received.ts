/** What an answer is made of, as it comes. */
import { reasonOf } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { DaemonError, type ErrorBody } from "./failure.ts";

/** Throws connection_lost when it ends before its end, and the signal's reason when that ends it. */
export async function* bytesOf(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let received = 0;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) return;
      received += next.value.length;
      yield next.value;
    }
  } catch (cause) {
    if (signal?.aborted) throw reasonOf(signal);
    throw new BhattiError(
      "connection_lost",
      `the daemon's answer was cut off after ${received} bytes`,
      { cause, hint: "See what state the sandbox is in: bhatti inspect <sandbox>" },
    );
  } finally {
    reader.cancel().catch(() => {}); // it is let go of either way
  }
}

/** JSON objects, one a line. Throws DaemonError for one of type `error`. */
export async function* linesOf<T extends { type: string }>(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<T> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of bytesOf(response, signal)) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") continue;
      const item = JSON.parse(line) as T | ({ type: "error" } & ErrorBody);
      if (item.type === "error" && "error" in item) throw DaemonError.fromEvent(item);
      yield item as T;
    }
  }
}
