/** So many requests a minute for each user, in each class of endpoints. */
import type { Clock } from "../../async/clock.ts";
import type { RateClass } from "../../contract/endpoint.ts";
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

  check(userId: string, rate: RateClass): void {
    const seconds = this.#buckets[rate].take(userId);
    if (seconds > 0) throw rateLimited(seconds);
  }
}

export function rateLimited(seconds: number): BhattiError {
  const retryAfterSeconds = Math.ceil(seconds);
  return new BhattiError("rate_limited", "rate limit exceeded", {
    retryAfterSeconds,
    hint: `Try again in ${retryAfterSeconds} s`,
  });
}
