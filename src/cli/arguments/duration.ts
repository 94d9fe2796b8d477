/** Flags for durations, in seconds; 0 stands for never. */
import { durationRule, parseDuration } from "../../config/duration.ts";
import type { Flag } from "../command.ts";
import { badFlag } from "./flags.ts";

export const durations = "Durations are 30s, 5m, 2h, 1d, a number of seconds";
export const idleTimes = "For what counts as activity, see bhatti list --help.";

export function duration(summary: string): Flag<number | undefined> {
  const parse = (written: readonly string[], name: string): number | undefined => {
    const value = written.at(-1);
    return value === undefined ? undefined : secondsOf(value, name, durationRule);
  };
  return { summary, placeholder: "duration", parse };
}

/** A time limit of at least a second. */
export function timeLimit(summary: string, { max }: { max: number }): Flag<number | undefined> {
  const rule = `must be 1 to ${max} seconds, as a number or such as 90s, 5m or 2h`;
  const parse = (written: readonly string[], name: string): number | undefined => {
    const value = written.at(-1);
    const seconds = value === undefined ? undefined : secondsOf(value, name, rule);
    if (seconds === 0 || (seconds ?? 0) > max) throw badFlag(name, `${rule}, got "${value}"`);
    return seconds;
  };
  return { summary, placeholder: "duration", parse };
}

/** Accepts `default` too, as null: the daemon's setting. */
export function durationOrDefault(summary: string): Flag<number | null | undefined> {
  const parse = (written: readonly string[], name: string): number | null | undefined => {
    const value = written.at(-1);
    if (value === undefined) return undefined;
    return value === "default" ? null : secondsOf(value, name, `${durationRule}, or default`);
  };
  return { summary, placeholder: "duration", parse };
}

function secondsOf(value: string, name: string, rule: string): number {
  const seconds = parseDuration(value);
  if (seconds === undefined) throw badFlag(name, `${rule}, got "${value}"`);
  return seconds;
}
