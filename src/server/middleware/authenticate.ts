/** Who asks: a key in the Authorization header and nowhere else, looked up anew for each request. */
import type { Clock } from "../../async/clock.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { EventSink } from "../../observability/events.ts";
import type { Authenticated, Users } from "../../services/users.ts";
import { TokenBuckets } from "./token-buckets.ts";

export class Authenticator {
  readonly #users: Users;
  readonly #events: EventSink;
  /** Guessing a key must not fill the events table. */
  readonly #reports: TokenBuckets;

  constructor(users: Users, events: EventSink, clock: Clock) {
    this.#users = users;
    this.#events = events;
    this.#reports = new TokenBuckets({ perMinute: 10, burst: 10 }, clock);
  }

  /** `ip` is asked for only when the key is wrong. */
  authenticate(authorization: string | null, ip: () => string): Authenticated {
    const key = authorization?.match(/^Bearer +(\S+)$/i)?.[1];
    if (key === undefined) throw new BhattiError("unauthorized", "authorization required");
    const authenticated = this.#users.authenticate(key);
    if (authenticated) return authenticated;
    const address = ip();
    if (this.#reports.take(address) === 0) {
      this.#events.record({ type: "auth.failed", meta: { ip: address } });
    }
    throw new BhattiError("unauthorized", "invalid api key");
  }
}
