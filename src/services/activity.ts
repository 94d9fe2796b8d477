/** When a sandbox was last at work: by what its users do through the daemon, and by what was seen in the guest. */
import { type Clock, systemClock } from "../async/clock.ts";

export interface Use extends Disposable {
  readonly what: string;
}

export class Activity {
  /** Milliseconds since the epoch. */
  lastAt: number;
  /** What was going on then. */
  lastWhat: string;
  /** Called when the last use has ended. */
  onIdle: () => void = () => {};
  readonly #clock: Clock;
  readonly #uses = new Set<Use>();

  constructor(clock = systemClock, lastAt = clock.now(), lastWhat = "started") {
    this.#clock = clock;
    this.lastAt = lastAt;
    this.lastWhat = lastWhat;
  }

  get isInUse(): boolean {
    return this.#uses.size > 0;
  }

  /** From now on, until the use is disposed of, the sandbox is at work. */
  begin(what: string): Use {
    const use: Use = {
      what,
      [Symbol.dispose]: () => {
        if (!this.#uses.delete(use)) return;
        this.saw(what);
        if (this.#uses.size === 0) this.onIdle();
      },
    };
    this.#uses.add(use);
    return use;
  }

  saw(what: string): void {
    this.lastAt = this.#clock.now();
    this.lastWhat = what;
  }

  /** What it is used for now, such as `exec (3), edit`. */
  get uses(): string {
    const counts = new Map<string, number>();
    for (const { what } of this.#uses) counts.set(what, (counts.get(what) ?? 0) + 1);
    const shown = counts
      .entries()
      .map(([what, count]) => (count > 1 ? `${what} (${count})` : what));
    return [...shown].join(", ");
  }
}
