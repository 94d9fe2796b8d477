/** What an answer is made of, as it comes. */
import { reasonOf, within } from "../async/deadline.ts";
import { silenceMs as transferSilenceMs } from "../contract/deadlines.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { eventIn, type ReceivedEvent } from "./answer.ts";

export interface Reading {
  /** Ends it, with the signal's reason. */
  signal?: AbortSignal;
  /** It is taken for cut off when nothing has come for so long; 0: never, where it is normal that nothing comes. */
  silenceMs?: number;
}

/** Throws connection_lost when it ends before its end, and the signal's reason when that ends it. */
export async function* bytesOf(
  response: Response,
  { signal, silenceMs = transferSilenceMs.daemon }: Reading = {},
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const read = () => reader.read();
  let received = 0;
  try {
    for (;;) {
      const next =
        silenceMs > 0 ? await within(silenceMs, "The next bytes", signal, read) : await read();
      if (next.done) return;
      received += next.value.length;
      yield next.value;
    }
  } catch (cause) {
    if (signal?.aborted) throw reasonOf(signal);
    throw new BhattiError(
      "connection_lost",
      `the response of the daemon ended early, after ${received} bytes`,
      { cause, hint: "Check the sandbox: bhatti inspect <sandbox>" },
    );
  } finally {
    reader.cancel().catch(() => {}); // it is let go of either way
  }
}

/** JSON objects, one a line, however seldom. Throws DaemonError for one of type `error`, and as `bytesOf` does. */
export async function* linesOf<T extends { type: string }>(
  response: Response,
): AsyncGenerator<ReceivedEvent<T>> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of bytesOf(response, { silenceMs: 0 })) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") yield eventIn<ReceivedEvent<T>>(line, response.url);
    }
  }
}
