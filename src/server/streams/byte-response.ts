/** Bytes from a sandbox as a response, at the client's pace. */
import { reasonOf } from "../../async/deadline.ts";

export interface Bytes extends AsyncIterable<Uint8Array> {
  release(): void;
}

/** So much is collected before anything is sent: then the answer has its length, and an error is still an answer. */
const collectedBytes = 262_144;

const headersOfBytes = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };

/**
 * `length` is how many there are, if that is known. The server drops the Content-Length of a stream (Bun 1.4.5), so only
 * what is short has one; a stream that fails is cut off, which its client sees.
 */
export async function respondWithBytes(
  bytes: Bytes,
  { headers, length, signal }: { headers: HeadersInit; length?: number; signal: AbortSignal },
): Promise<Response> {
  const release = () => bytes.release();
  signal.addEventListener("abort", release, { once: true });
  if (signal.aborted) {
    release();
    throw reasonOf(signal);
  }
  const init = { headers: { ...headersOfBytes, ...Object.fromEntries(new Headers(headers)) } };
  if (length !== undefined && length <= collectedBytes) {
    try {
      return new Response(await collect(bytes), init);
    } finally {
      signal.removeEventListener("abort", release);
    }
  }
  return new Response(streamOf(bytes, release, signal), init);
}

async function collect(bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

function streamOf(bytes: Bytes, release: () => void, signal: AbortSignal) {
  const pieces = bytes[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await pieces.next();
        if (!next.done) {
          controller.enqueue(next.value);
          return;
        }
        signal.removeEventListener("abort", release);
        controller.close();
      },
      cancel: release,
    },
    { highWaterMark: 0 },
  );
}
