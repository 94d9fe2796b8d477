/** Somebody who came by a share link, from the right token to the end of the connection. */
import type { Clock } from "../async/clock.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";

export interface WebSessionOptions {
  sandbox: SandboxRecord;
  /** Whose sandbox it is: what is done in it is done in this user's name. */
  owner: User;
  readOnly: boolean;
  expiresAt: string | null;
  clock: Clock;
  store: Store;
  log: Logger;
  /** Called once, when it is disposed of. */
  onEnd(): void;
}

export class WebSession implements Disposable {
  readonly sandbox: SandboxRecord;
  readonly owner: User;
  readonly readOnly: boolean;
  readonly #options: WebSessionOptions;
  readonly #cut = new AbortController();
  #expiry: Disposable | undefined;
  #isOver = false;

  constructor(options: WebSessionOptions) {
    this.#options = options;
    this.sandbox = options.sandbox;
    this.owner = options.owner;
    this.readOnly = options.readOnly;
    this.#awaitExpiry();
  }

  /** Aborted, with an `unauthorized` that says why, when the link is no longer good. */
  get whileGood(): AbortSignal {
    return this.#cut.signal;
  }

  cut(why: string): void {
    this.#cut.abort(new BhattiError("unauthorized", why));
  }

  /** A session that was started by who came by this link, who may come back to it. */
  started(session: string): void {
    const { store, log } = this.#options;
    try {
      store.shares.addSession(this.sandbox.id, session);
    } catch (error) {
      // A full disk, or a link that was replaced this moment: there is just no way back to it.
      log.warn("cannot store a web session", { session, error: messageOf(error) });
    }
  }

  hasStarted(session: string): boolean {
    return this.#options.store.shares.hasSession(this.sandbox.id, session);
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#expiry?.[Symbol.dispose]();
    this.#options.onEnd();
  }

  /** A timer cannot be set for as long as a link may last. */
  #awaitExpiry(): void {
    const { expiresAt, clock } = this.#options;
    if (expiresAt === null || this.#isOver) return;
    const left = Date.parse(expiresAt) - clock.now();
    if (left <= 0) this.cut("the link expired");
    else this.#expiry = clock.timer(left, () => this.#awaitExpiry());
  }
}
