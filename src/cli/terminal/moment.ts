/** A time as a person reads it: how far away, and when exactly. The API's own are RFC 3339 in UTC, with milliseconds. */

const units = [
  { name: "s", ms: 1000, below: 60 },
  { name: "min", ms: 60_000, below: 60 },
  { name: "h", ms: 3_600_000, below: 48 },
];
const dayMs = 86_400_000;

/** `5 min ago (2026-01-02T10:09:24Z)`; nothing when there is no such time. */
export function past(at: string | undefined, now = Date.now()): string | undefined {
  return at && `${distance(now - Date.parse(at))} ago (${withoutMilliseconds(at)})`;
}

/** `in 2 h (2026-01-02T10:09:24Z)`. */
export function future(at: string | undefined, now = Date.now()): string | undefined {
  return at && `in ${distance(Date.parse(at) - now)} (${withoutMilliseconds(at)})`;
}

/** `in 12 s (10:09:24Z)`: the time of day alone when it is soon. */
export function soon(at: string, now = Date.now()): string {
  const ms = Date.parse(at) - now;
  const time = withoutMilliseconds(at);
  return `in ${distance(ms)} (${ms < 43_200_000 ? time.slice(time.indexOf("T") + 1) : time})`;
}

/** How long ago a Unix time in seconds was: `5 min`. */
export function since(seconds: number, now = Date.now()): string {
  return distance(now - seconds * 1000);
}

/** A Unix time in seconds; `@<seconds>` where a date cannot hold it, as GNU date writes it. */
export function unixTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().replace(".000Z", "Z");
}

/** Wherever a text has such times. */
export function withoutMilliseconds(text: string): string {
  return text.replace(/(T\d\d:\d\d:\d\d)\.\d+Z/g, "$1Z");
}

/** The two clocks may differ a little: nothing is less than 0 away. */
function distance(ms: number): string {
  for (const { name, ms: size, below } of units) {
    const count = Math.floor(Math.max(ms, 0) / size);
    if (count < below) return `${count} ${name}`;
  }
  return `${Math.floor(ms / dayMs)} days`;
}
