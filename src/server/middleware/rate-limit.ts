/** So many requests a minute for each user, in three classes: what makes sandboxes, execs, and everything else. */
import type { Clock } from "../../async/clock.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { TokenBuckets } from "./token-buckets.ts";

export interface RateLimits {
  createPerMinute: number;
  createBurst: number;
  execPerMinute: number;
  execBurst: number;
  readPerMinute: number;
  readBurst: number;
}

type RateClass = "create" | "exec" | "read";

export class RateLimiter {
  readonly #buckets: Record<RateClass, TokenBuckets>;

  constructor(limits: RateLimits, clock: Clock) {
    const buckets = (perMinute: number, burst: number) =>
      new TokenBuckets({ perMinute, burst }, clock);
    this.#buckets = {
      create: buckets(limits.createPerMinute, limits.createBurst),
      exec: buckets(limits.execPerMinute, limits.execBurst),
      read: buckets(limits.readPerMinute, limits.readBurst),
    };
  }

  check(userId: string, method: string, path: string): void {
    const seconds = this.#buckets[rateClassOf(method, path)].take(userId);
    if (seconds > 0) throw rateLimited(seconds);
  }
}

export function rateLimited(seconds: number): BhattiError {
  const retryAfterSeconds = Math.ceil(seconds);
  return new BhattiError("rate_limited", "rate limit exceeded", { retryAfterSeconds });
}

function rateClassOf(method: string, path: string): RateClass {
  if (path.endsWith("/ws") || path.endsWith("/exec/stream")) return "exec";
  if (method === "PUT" && /\/files(\/tar)?$/.test(path)) return "exec";
  if (method !== "POST") return "read";
  if (path.endsWith("/exec")) return "exec";
  return path === "/sandboxes" || /\/(fork|resume)$/.test(path) ? "create" : "read";
}
