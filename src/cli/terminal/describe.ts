/** Labelled lines, in sections, as `kubectl describe` has them. */

export type Line = [label: string, value: string | undefined];

/** Lines without a value are left out, and so are sections without lines. */
export function describe(sections: readonly { title?: string; lines: readonly Line[] }[]): string {
  return sections
    .map(({ title, lines }) => {
      const shown = lines.filter(([, value]) => value !== undefined);
      const indent = title ? "  " : "";
      const body = shown.map(([label, value]) => `${indent}${`${label}:`.padEnd(12)}${value}\n`);
      if (body.length === 0) return "";
      return title ? `${title}:\n${body.join("")}` : body.join("");
    })
    .join("");
}
