/** Which of two versions is older. */

/** Numbers only, with or without a leading v; what is missing counts as 0. */
export function isOlder(version: string, minimum: string): boolean {
  const [have, want] = [parts(version), parts(minimum)];
  for (let index = 0; index < 3; index++) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function parts(version: string): number[] {
  return version
    .replace(/^v/, "")
    .split(".")
    .map((part) => Number.parseInt(part, 10) || 0);
}
