/** Finds a key that is written twice: the YAML parser takes the last one and says nothing. */

interface Duplicate {
  key: string;
  /** Where it is written again, counted from 1. */
  line: number;
}

/** Looks at keys with a line of their own, at the top and within these groups. Expects YAML that has been parsed. */
export function duplicateKey(text: string, groups: ReadonlySet<string>): Duplicate | undefined {
  const seen: string[] = [];
  let group = "";
  let number = 0; // counting by entries() takes longer
  for (const line of text.split("\n")) {
    number += 1;
    const colon = line.indexOf(":");
    const isNested = line.startsWith(" ");
    // Below anything but a group stands the rest of a value, whatever it looks like.
    if (colon < 0 || line.trimStart().startsWith("#") || (isNested && !group)) continue;
    const word = unquoted(line.slice(0, colon).trim());
    if (!isNested) group = groups.has(word) ? word : "";
    const key = isNested ? `${group}.${word}` : word;
    if (seen.includes(key)) return { key, line: number };
    seen.push(key);
  }
  return undefined;
}

function unquoted(written: string): string {
  const quote = written[0] ?? "";
  return (quote === '"' || quote === "'") && written.endsWith(quote)
    ? written.slice(1, -1)
    : written;
}
