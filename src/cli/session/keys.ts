/** What is typed at a session: the keys that are ours, and the bytes before them that are not. */

const detachByte = 0x1c;
const interruptByte = 0x03;

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal sends
const detachSequence = /\x1b\[(?:27;5;92~|92;5(?::1)?u)/;

export interface Typed {
  /** For the session. */
  keys: Uint8Array;
  /** Ctrl+\, also as terminals send it that a program has asked to tell all keys apart. */
  detaches: boolean;
  /** Ctrl+C is among the keys. */
  interrupts: boolean;
}

export function readKeys(typed: Uint8Array): Typed {
  const at = detachAt(typed);
  const keys = at < 0 ? typed : typed.subarray(0, at);
  return { keys, detaches: at >= 0, interrupts: keys.includes(interruptByte) };
}

function detachAt(typed: Uint8Array): number {
  const at = typed.indexOf(detachByte);
  if (at >= 0) return at;
  if (!typed.includes(0x1b)) return -1;
  return Buffer.from(typed.buffer, typed.byteOffset, typed.length)
    .toString("latin1")
    .search(detachSequence);
}
