/** Durations as people write them: `30s`, `5m`, `2h`, `1d`, a bare number of seconds, `never`. */

const secondsIn: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };
const maximumDays = 365;

export const durationRule = `must be a duration such as 30s, 5m, 2h or 1d, at most ${maximumDays}d, or never`;

/** In seconds, of which 0 stands for never; undefined for what is no duration. */
export function parseDuration(written: string): number | undefined {
  if (written === "never") return 0;
  const unit = secondsIn[written.at(-1) ?? ""];
  const digits = unit === undefined ? written : written.slice(0, -1);
  if (!isWhole(digits)) return undefined;
  const seconds = Number(digits) * (unit ?? 1);
  return seconds > maximumDays * 86_400 ? undefined : seconds;
}

/** Without a regular expression: compiling one takes longer than reading a whole file. */
function isWhole(text: string): boolean {
  if (text === "") return false;
  for (const character of text) if (character < "0" || character > "9") return false;
  return true;
}

/** The shortest way to write so many seconds. */
export function formatDuration(seconds: number): string {
  if (seconds === 0) return "never";
  const [unit = "s", size = 1] =
    Object.entries(secondsIn).findLast(([, length]) => seconds % length === 0) ?? [];
  return `${seconds / size}${unit}`;
}
