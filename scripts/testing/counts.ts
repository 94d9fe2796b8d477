/** Reads how many tests passed and failed from a runner's output. */

export interface Counts {
  passed: number;
  failed: number;
}

export type Counter = (output: string, exitCode: number) => Counts;

/** A check passes or fails as a whole. */
export const countCheck: Counter = (_, exitCode) =>
  exitCode === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };

export const countBun: Counter = (output, exitCode) =>
  withCrash(last(output, /^ *(\d+) pass$/gm), last(output, /^ *(\d+) fail$/gm), exitCode);

/** One line for each of its binaries. */
export const countCargo: Counter = (output, exitCode) => {
  const lines = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  return withCrash(sum(lines.map(([, n]) => n)), sum(lines.map(([, , n]) => n)), exitCode);
};

/** A runner that broke, or ran nothing, is one failure without a count of its own. */
function withCrash(passed: number, failed: number, exitCode: number): Counts {
  const crashed = failed === 0 && (exitCode !== 0 || passed === 0);
  return { passed, failed: crashed ? 1 : failed };
}

function last(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

function sum(numbers: (string | undefined)[]): number {
  return numbers.reduce((total, n) => total + Number(n ?? 0), 0);
}
