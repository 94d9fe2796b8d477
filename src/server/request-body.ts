/** A request's body as bytes that come as they are asked for, and that end with the request. */
import { abortable } from "../async/deadline.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { SizedContent } from "../services/files.ts";

/** Throws bad_request without a length, file_too_large beyond the limit: before anything is read. */
export function sizedBody(request: Request, limit: number, signal: AbortSignal): SizedContent {
  const announced = request.headers.get("content-length");
  if (announced === null || !/^\d{1,15}$/.test(announced)) {
    throw new BhattiError("bad_request", "Content-Length: is required");
  }
  const size = Number(announced);
  if (size > limit) {
    throw new BhattiError("file_too_large", `the file has ${size} bytes, the maximum is ${limit}`);
  }
  return { size, [Symbol.asyncIterator]: () => checked(bodyOf(request, signal), size) };
}

/** All of the body, however long. */
export async function* bodyOf(request: Request, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!request.body) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      const next = await abortable(reader.read(), signal);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    reader.cancel().catch(() => {}); // discards the rest of the body
  }
}

async function* checked(content: AsyncIterable<Uint8Array>, size: number) {
  let sent = 0;
  for await (const piece of content) {
    sent += piece.length;
    yield piece;
  }
  if (sent === size) return;
  throw new BhattiError(
    "bad_request",
    `body: must have ${size} bytes as in Content-Length (got ${sent})`,
  );
}
