/** Text that others chose, such as a file's name, in one line that moves no cursor. */

import { shownText } from "../../contract/byte-text.ts";

const short: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\u001b": "\\e" };

export function printable(text: string): string {
  let shown = "";
  for (const character of shownText(text)) {
    const code = character.charCodeAt(0);
    shown += isControl(code) ? (short[character] ?? hex(code)) : character;
  }
  return shown;
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}
