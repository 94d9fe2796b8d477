/** Token buckets by key, of which the least recently used are forgotten when there are too many. */
import type { Clock } from "../../async/clock.ts";

export interface Rate {
  perMinute: number;
  burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

export class TokenBuckets {
  readonly #rate: Rate;
  readonly #capacity: number;
  readonly #clock: Clock;
  /** In the order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Clock, capacity = 10_000) {
    this.#rate = rate;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token: 0, or in how many seconds there will be one. */
  take(key: string): number {
    const now = this.#clock.steady();
    const bucket = this.#touch(key, now);
    const perMillisecond = this.#rate.perMinute / 60_000;
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + (now - bucket.at) * perMillisecond);
    bucket.at = now;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perMillisecond / 1000;
    bucket.tokens -= 1;
    return 0;
  }

  #touch(key: string, now: number): Bucket {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#rate.burst, at: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#capacity) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
