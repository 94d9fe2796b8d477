/** Which part of a file is meant by lines and bytes. */
import type { FileSelection } from "../../agent/guest-files.ts";

const newline = 10;

/** From line `offset`, so many lines, so many bytes: whichever ends first. */
export function selectedPart(content: Uint8Array, selection: FileSelection): Uint8Array {
  const { offset = 1, limit, maxBytes } = selection;
  const start = afterLines(content, 0, offset - 1);
  const end = limit === undefined ? content.length : afterLines(content, start, limit);
  return content.subarray(start, Math.min(end, start + (maxBytes ?? Number.POSITIVE_INFINITY)));
}

function afterLines(content: Uint8Array, from: number, lines: number): number {
  let at = from;
  for (let line = 0; line < lines && at < content.length; line += 1) {
    const end = content.indexOf(newline, at);
    at = end < 0 ? content.length : end + 1;
  }
  return at;
}
