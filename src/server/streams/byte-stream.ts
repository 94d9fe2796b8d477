/** Bytes out of a guest as a response's body, at the client's pace. */
import { reasonOf } from "../../async/deadline.ts";
import type { GuestBytes } from "../../services/guest-bytes.ts";

/** A client that goes away lets go of them. An error in the middle cuts the body off. */
export function byteStream(
  bytes: GuestBytes,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): Response {
  const release = () => bytes.release();
  if (signal.aborted) {
    release();
    throw reasonOf(signal);
  }
  signal.addEventListener("abort", release, { once: true });
  const pieces = bytes[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await pieces.next();
          if (!next.done) return controller.enqueue(next.value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        signal.removeEventListener("abort", release);
      },
      cancel: release,
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "Content-Type": "application/octet-stream",
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
      ...headers,
    },
  });
}
