/**
 * Encodes file names and arguments, which are bytes, as strings: a byte that is not valid UTF-8 becomes a NUL and two
 * hexadecimal digits, as names contain no NUL.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteEscape = /\0([0-9a-f]{2})/g;

export function textOf(bytes: Uint8Array): string {
  const whole = decoded(bytes);
  if (whole !== undefined && !whole.includes("\0")) return whole;
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

/** Whether it stands for bytes that are not UTF-8. */
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

/** By its first byte; 0 for a byte that begins none, NUL too. */
function sequenceLength(first: number): number {
  if (first === 0) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}
