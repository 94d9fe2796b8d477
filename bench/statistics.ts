/** Samples and what is said about them. */

export interface Samples {
  /** Milliseconds of the iterations that succeeded. */
  milliseconds: number[];
  failures: number;
}

/** Percentile p of n sorted samples: the one at index floor(n·p), from 0. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(Math.floor(sorted.length * p), sorted.length - 1)] ?? Number.NaN;
}

export function summary({ milliseconds, failures }: Samples) {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  return {
    n: sorted.length,
    failures,
    p50: round(percentile(sorted, 0.5)),
    p99: round(percentile(sorted, 0.99)),
    min: round(sorted[0] ?? Number.NaN),
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}

/** Runs it n times, one after another; a failed iteration is counted, never recorded as a time. */
export async function measure(
  n: number,
  iteration: (index: number) => Promise<number>,
): Promise<Samples> {
  const samples: Samples = { milliseconds: [], failures: 0 };
  for (let index = 0; index < n; index += 1) {
    try {
      samples.milliseconds.push(await iteration(index));
    } catch (error) {
      samples.failures += 1;
      console.error(`  iteration ${index} failed: ${error}`);
    }
  }
  return samples;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
