import { expect, test } from "bun:test";
import { TerminalModes } from "./terminal-modes.ts";

const esc = "\x1b";

function undoAfter(...pieces: string[]): string {
  const modes = new TerminalModes();
  for (const piece of pieces) modes.follow(new TextEncoder().encode(piece));
  return modes.undo();
}

test.each([
  ["nothing was on", "hello\r\n", ""],
  ["the alternate screen", `${esc}[?1049h`, `${esc}[?1049l${esc}[m`],
  ["it was left again", `${esc}[?1049h x ${esc}[?1049l`, `${esc}[m`],
  ["the cursor was hidden", `${esc}[?25l`, `${esc}[?25h${esc}[m`],
  ["the cursor was hidden and shown", `${esc}[?25l${esc}[?25h`, `${esc}[m`],
  ["the mouse, two modes at once", `${esc}[?1000;1006h`, `${esc}[?1006l${esc}[?1000l${esc}[m`],
  ["pasted text in brackets", `${esc}[?2004h$ `, `${esc}[?2004l${esc}[m`],
  ["modes that make no difference", `${esc}[?12h`, `${esc}[m`],
  ["keys told apart, in two ways", `${esc}[>4;2m${esc}[>1u`, `${esc}[<u${esc}[>4m${esc}[m`],
  ["they are not any more", `${esc}[>4;2m${esc}[>1u${esc}[>4m${esc}[<u`, `${esc}[m`],
  ["the keypad", `${esc}=`, `${esc}>`],
  ["margins", `${esc}[2;20r`, `${esc}7${esc}[r${esc}8${esc}[m`],
  ["margins, and none", `${esc}[2;20r${esc}[r`, `${esc}[m`],
  ["a full reset", `${esc}[?1049h${esc}[?25l${esc}=${esc}c`, `${esc}[m`],
])("%s", (_, output, undo) => {
  expect(undoAfter(output)).toBe(undo);
});

test("a sequence that is cut anywhere is seen", () => {
  const output = `text ${esc}[?1049h${esc}[?25l more`;
  const whole = undoAfter(output);
  for (let at = 1; at < output.length; at++) {
    expect(undoAfter(output.slice(0, at), output.slice(at))).toBe(whole);
  }
  expect(undoAfter(...output)).toBe(whole);
});
