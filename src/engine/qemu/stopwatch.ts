/** Where the time of an operation went, step by step. */
export class Stopwatch {
  readonly steps: { name: string; milliseconds: number }[] = [];
  #last = performance.now();

  /** Ends the step that began with the last lap. */
  lap(name: string): void {
    const now = performance.now();
    this.steps.push({ name, milliseconds: Math.round((now - this.#last) * 10) / 10 });
    this.#last = now;
  }
}
