/** The body of a response that is made piece by piece, when the client has room for one. */
import { releasedBy } from "../../async/pieces.ts";

/**
 * `pieces` come from `source`, which is released when the client goes away or the signal is aborted. Throws the signal's
 * reason when it is aborted already.
 */
export function bodyOfPieces(
  pieces: AsyncIterator<Uint8Array>,
  source: { release(): void },
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const releasing = releasedBy(signal, source);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await pieces.next();
        if (!next.done) {
          controller.enqueue(next.value);
          return;
        }
        releasing[Symbol.dispose]();
        controller.close();
      },
      cancel: () => source.release(),
    },
    { highWaterMark: 0 },
  );
}
