/** IPv4 addresses as numbers, and ranges of them. */

export interface Range {
  /** The lowest address; bits beyond the prefix are 0. */
  first: number;
  /** Length of the prefix in bits. */
  prefix: number;
}

/** Undefined when the text is no address in dotted decimal. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    // 010 is 8 to some programs and 10 to others.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** `10.0.0.0/8`. Undefined when it is malformed or has bits beyond its prefix. */
export function parseRange(text: string): Range | undefined {
  const [, written = "", length = ""] = text.match(/^([\d.]+)\/(\d{1,2})$/) ?? [];
  const first = parseAddress(written);
  const prefix = Number(length);
  if (first === undefined || prefix > 32 || first % sizeOf({ first, prefix }) !== 0) {
    return undefined;
  }
  return { first, prefix };
}

export function formatRange({ first, prefix }: Range): string {
  return `${formatAddress(first)}/${prefix}`;
}

/** Number of its addresses. */
export function sizeOf({ prefix }: Range): number {
  return 2 ** (32 - prefix);
}

export function overlap(one: Range, other: Range): boolean {
  return one.first < other.first + sizeOf(other) && other.first < one.first + sizeOf(one);
}
