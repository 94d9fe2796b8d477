/** Bounds frames that a guest may send without limit otherwise: a burst of them, then so many a second. */
import { ProtocolError } from "./frame.ts";

const burst = 1000;
const perSecond = 200;

export class Allowance {
  readonly #what: string;
  #left = burst;
  #at = performance.now();

  constructor(what: string) {
    this.#what = what;
  }

  /** Throws a ProtocolError when there are too many. */
  take(): void {
    const now = performance.now();
    this.#left = Math.min(burst, this.#left + ((now - this.#at) * perSecond) / 1000);
    this.#at = now;
    if (this.#left < 1) {
      throw new ProtocolError(
        "flood",
        `The guest sends more than ${perSecond} ${this.#what} a second`,
      );
    }
    this.#left -= 1;
  }
}
