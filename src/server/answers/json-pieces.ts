/** Encodes JSON piece by piece, so that an answer need not be in memory twice. */

/** Of a piece, before escaping: a control character takes six bytes as JSON. */
const pieceCharacters = 8192;

/** A string that is made while it is sent. */
export class LongText {
  /** How much memory it takes until then. */
  readonly bytes: number;
  readonly #pieces: () => Iterable<string>;

  constructor(bytes: number, pieces: () => Iterable<string>) {
    this.bytes = bytes;
    this.#pieces = pieces;
  }

  pieces(): Iterable<string> {
    return this.#pieces();
  }

  toJSON(): string {
    return [...this.#pieces()].join("");
  }
}

export function* jsonPieces(value: unknown): Generator<string, undefined> {
  if (sizeOf(value) <= pieceCharacters) yield JSON.stringify(value);
  else if (value instanceof LongText) yield* quoted(value.pieces());
  else if (typeof value === "string") yield* quoted(slicesOf(value));
  else if (Array.isArray(value)) yield* listed(value);
  else yield* fielded(value as Record<string, unknown>);
}

/** Roughly how many bytes a value takes in memory. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (value instanceof LongText) return value.bytes;
  if (typeof value !== "object" || value === null) return 8;
  let size = 16;
  for (const [key, inner] of Object.entries(value)) size += key.length + sizeOf(inner);
  return size;
}

function* quoted(pieces: Iterable<string>): Generator<string, undefined> {
  yield '"';
  for (const piece of pieces) yield JSON.stringify(piece).slice(1, -1);
  yield '"';
}

function* listed(items: unknown[]): Generator<string, undefined> {
  yield "[";
  for (const [index, item] of items.entries()) {
    if (index > 0) yield ",";
    yield* jsonPieces(item);
  }
  yield "]";
}

function* fielded(object: Record<string, unknown>): Generator<string, undefined> {
  let before = "{";
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue;
    yield `${before}${JSON.stringify(key)}:`;
    yield* jsonPieces(value);
    before = ",";
  }
  yield "}";
}

function* slicesOf(text: string): Generator<string, undefined> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + pieceCharacters, text.length);
    // A surrogate pair stays together: apart, each half would be escaped.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}
