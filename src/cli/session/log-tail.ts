/** How many of a log's last bytes are its last lines. */

const newline = 0x0a;
const firstGuess = 65_536;

/**
 * Asks for more and more of the end until it has that many lines; undefined when that is all there is.
 * `read` gives the last so many bytes.
 */
export async function bytesOfLastLines(
  lines: number,
  read: (bytes: number) => AsyncIterable<Uint8Array>,
): Promise<number | undefined> {
  for (let bytes = firstGuess; ; bytes *= 8) {
    const end = Buffer.concat(await Array.fromAsync(read(bytes)));
    const at = startOfLastLines(end, lines);
    if (at > 0) return end.length - at;
    if (end.length < bytes) return undefined;
  }
}

/** 0 when there are no more lines than that. */
export function startOfLastLines(text: Uint8Array, lines: number): number {
  if (lines === 0) return text.length;
  // A newline at the very end ends the last line, and begins none.
  let at = text.length - 1;
  for (let count = 0; count < lines; count++) {
    at = at <= 0 ? -1 : text.lastIndexOf(newline, at - 1);
    if (at < 0) return 0;
  }
  return at + 1;
}
