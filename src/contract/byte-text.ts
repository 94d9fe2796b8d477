/**
 * Encodes file names and arguments, which are bytes, as strings: a byte that is not valid UTF-8 becomes a NUL and two
 * hexadecimal digits, as names contain no NUL. ASCII is never escaped: a name from a guest could hide a slash otherwise.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteEscape = /\0([89a-f][0-9a-f])/g;

export function textOf(bytes: Uint8Array): string {
  const whole = decoded(bytes);
  if (whole !== undefined) return whole;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] ?? 0);
    const character = length > 0 ? decoded(bytes.subarray(at, at + length)) : undefined;
    text += character ?? `\0${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`;
    at += character === undefined ? 1 : length;
  }
  return text;
}

export function bytesOf(text: string): Buffer {
  if (!hasBytes(text)) return Buffer.from(text);
  const pieces = text.split(byteEscape);
  return Buffer.concat(
    pieces.map((piece, index) => Buffer.from(piece, index % 2 === 1 ? "hex" : "utf8")),
  );
}

/** Whether it has bytes that are not UTF-8, or a NUL that no name can have. */
export function hasBytes(text: string): boolean {
  return text.includes("\0");
}

/** As a person reads it, with bytes such as `\xff`. */
export function shownText(text: string): string {
  return text.replace(byteEscape, "\\x$1");
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** By its first byte; 0 for a byte that begins none. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}
