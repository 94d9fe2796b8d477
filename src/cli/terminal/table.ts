/** Rows under headings, as wide as the columns want and as their longest value needs. */

/** Heading, least width, and what a row shows in it. */
export type Column<Row> = [heading: string, width: number, value: (row: Row) => string];

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, , value]) => printable(value(row)))),
  ];
  const widths = columns.map(([, width], index) =>
    Math.max(width, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  return cells
    .map((line) => line.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Replaces control characters, which could move the cursor of the terminal. */
function printable(value: string): string {
  let text = "";
  for (const character of value) text += isControl(character.charCodeAt(0)) ? "?" : character;
  return text;
}

/** By hand: compiling the regular expression for it takes 0.7 ms of a start of 10. */
function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}
