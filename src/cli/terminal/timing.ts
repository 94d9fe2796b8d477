/** The table that --timing prints. */
import type { TimingRow } from "../../client/timing.ts";

export function formatTiming(rows: readonly TimingRow[]): string {
  const lines = rows.map(
    ({ label, milliseconds }) => `${`${label}:`.padEnd(10)} ${formatDuration(milliseconds)}`,
  );
  return ["---", ...lines].join("\n");
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)}µs`;
  if (milliseconds < 10) return `${milliseconds.toFixed(2)}ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(1)}ms`;
  return `${(milliseconds / 1000).toFixed(2)}s`;
}
