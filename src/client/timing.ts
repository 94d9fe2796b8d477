/** Measures the last request of a command, for --timing. */

export interface TimingRow {
  label: string;
  milliseconds: number;
}

export class Timing {
  readonly #now: () => number;
  #started = 0;
  #connected: number | undefined;
  #firstByte: number | undefined;
  #ended: number | undefined;
  #dns: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  start(): void {
    this.#started = this.#now();
    this.#connected = undefined;
    this.#firstByte = undefined;
    this.#ended = undefined;
  }

  /** How long the name of the host took, measured before the request that uses the answer. */
  resolved(milliseconds: number): void {
    this.#dns = milliseconds;
  }

  connected(): void {
    this.#connected = this.#now();
  }

  firstByte(): void {
    this.#firstByte ??= this.#now();
  }

  end(): void {
    this.#ended = this.#now();
  }

  /** What was measured; a phase without a measurement has no row. `server` includes a connect that has no row. */
  rows(): TimingRow[] {
    const rows: TimingRow[] = [];
    const add = (label: string, from: number | undefined, to: number | undefined) => {
      if (from !== undefined && to !== undefined) rows.push({ label, milliseconds: to - from });
    };
    if (this.#started === 0) return rows;
    const ended = this.#ended ?? this.#now();
    add("dns", this.#dns && 0, this.#dns);
    add("connect", this.#started, this.#connected);
    add("server", this.#connected ?? this.#started, this.#firstByte);
    add("transfer", this.#firstByte, ended);
    add("total", this.#started - (this.#dns ?? 0), ended);
    return rows;
  }
}
