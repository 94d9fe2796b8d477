/** Formats a duration as Go's time.Duration does: `250ms`, `1.5s`, `1h0m0s`. */
export function goDuration(milliseconds: number): string {
  const ms = Math.floor(milliseconds);
  if (ms === 0) return "0s";
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}
