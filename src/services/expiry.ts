/** When a sandbox ends by itself. */

/** Null: never, which 0 seconds mean too. */
export function expiryAfter(now: number, seconds: number | null): string | null {
  return seconds ? new Date(now + seconds * 1000).toISOString() : null;
}
