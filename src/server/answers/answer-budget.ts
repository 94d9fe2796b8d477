/** Bounds the memory of answers that wait for their clients: of each user, and of all. */
import { BhattiError } from "../../errors/bhatti-error.ts";

export interface AnswerLimits {
  /** Bytes that the unread answers of one user may hold. */
  userAnswerBytes: number;
  /** The same for all users together. */
  answerBytes: number;
}

/** The room that a request of unknown size must find. */
const leastRoom = 65_536;
const retryAfterSeconds = 5;

export class AnswerBudget {
  readonly #limits: AnswerLimits;
  readonly #byUser = new Map<string, number>();
  #total = 0;

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  /** Bytes that are reserved now. */
  get total(): number {
    return this.#total;
  }

  /** Throws unread_limit or overloaded. A larger answer than the limit is let through when it is the only one. */
  reserve(user: string, bytes = 0): AnswerReservation {
    const room = Math.max(bytes, leastRoom);
    const { userAnswerBytes, answerBytes } = this.#limits;
    const [own, all] = [this.#of(user), this.#total];
    if (own > 0 && own + room > userAnswerBytes) throw userIsOver(userAnswerBytes);
    if (all > 0 && all + room > answerBytes) throw daemonIsOver(answerBytes);
    return this.reserveAnyway(user, bytes);
  }

  /** For the answer to a request that has had its effect already. */
  reserveAnyway(user: string, bytes: number): AnswerReservation {
    this.#add(user, bytes);
    let reserved = bytes;
    return {
      grow: (more) => {
        const { userAnswerBytes, answerBytes } = this.#limits;
        if (this.#of(user) + more > userAnswerBytes || this.#total + more > answerBytes) {
          return false;
        }
        this.#add(user, more);
        reserved += more;
        return true;
      },
      release: () => {
        this.#add(user, -reserved);
        reserved = 0;
      },
    };
  }

  #of(user: string): number {
    return this.#byUser.get(user) ?? 0;
  }

  #add(user: string, bytes: number): void {
    this.#total += bytes;
    const own = this.#of(user) + bytes;
    if (own === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, own);
  }
}

export interface AnswerReservation {
  /** Reserves more; false, and nothing changes, when the user or the daemon has no room. */
  grow(bytes: number): boolean;
  /** Idempotent. */
  release(): void;
}

function userIsOver(limit: number): BhattiError {
  return new BhattiError(
    "unread_limit",
    `your unread responses have reached the limit of ${megabytes(limit)} per user`,
    { retryAfterSeconds },
  );
}

function daemonIsOver(limit: number): BhattiError {
  return new BhattiError(
    "overloaded",
    `unread responses have reached the limit of ${megabytes(limit)} of the daemon`,
    { retryAfterSeconds },
  );
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`;
}
