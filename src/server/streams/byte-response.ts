/** Bytes from a sandbox as a response, at the client's pace. */
import { type Pieces, releasedBy } from "../../async/pieces.ts";
import { bodyOfPieces } from "./pieces-body.ts";

/** So much is collected before anything is sent: then the answer has its length, and an error is still an answer. */
const collectedBytes = 65_536;

const headersOfBytes = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };

/**
 * Throws what fails before the first of them comes. `length` is how many there are, if that is known. The server drops
 * the Content-Length of a stream (Bun 1.4.5), so only what is short has one; a stream that fails is cut off, which its
 * client sees.
 */
export async function respondWithBytes(
  bytes: Pieces<Uint8Array>,
  { headers, length, signal }: { headers: HeadersInit; length?: number; signal: AbortSignal },
): Promise<Response> {
  const init = { headers: { ...headersOfBytes, ...Object.fromEntries(new Headers(headers)) } };
  if (length !== undefined && length <= collectedBytes) {
    using _ = releasedBy(signal, bytes);
    return new Response(Buffer.concat(await Array.fromAsync(bytes)), init);
  }
  const pieces = bytes[Symbol.asyncIterator]();
  const first = await firstOf(pieces, bytes, signal);
  return new Response(bodyOfPieces(startingWith(first, pieces), bytes, signal), init);
}

async function firstOf(
  pieces: AsyncIterator<Uint8Array>,
  source: Pieces<Uint8Array>,
  signal: AbortSignal,
): Promise<IteratorResult<Uint8Array>> {
  using _ = releasedBy(signal, source);
  return await pieces.next();
}

function startingWith(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterator<Uint8Array> {
  let known: typeof first | undefined = first;
  return {
    async next() {
      const next = known ?? (await rest.next());
      known = undefined;
      return next;
    },
  };
}
