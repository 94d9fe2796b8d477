/** Where the time of an operation went, step by step. */
export interface Step {
  name: string;
  milliseconds: number;
}

export class Stopwatch {
  readonly steps: Step[];
  #last = performance.now();

  /** Goes on with the steps of an earlier one. */
  constructor(steps: Step[] = []) {
    this.steps = steps;
  }

  /** Ends the step that began with the last lap. */
  lap(name: string): void {
    const now = performance.now();
    this.steps.push({ name, milliseconds: Math.round((now - this.#last) * 10) / 10 });
    this.#last = now;
  }
}
