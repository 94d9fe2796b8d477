/** Links to web shells: one for each sandbox, known by a token of which only the hash is kept. */
import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../async/clock.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { ShareRecord } from "../store/shares.ts";
import type { Store } from "../store/store.ts";
import type { User } from "../store/users.ts";
import { expiryAfter } from "./expiry.ts";
import { newShareToken, sha256Hex } from "./identifiers.ts";
import { presentSandboxOf, sandboxOf } from "./sandbox-lookup.ts";
import { WebSession } from "./web-session.ts";

export type { ShareRecord };

export interface SharesOptions {
  store: Store;
  events: EventSink;
  log: Logger;
  clock: Clock;
}

export interface ShareRequest {
  readOnly: boolean;
  /** Without it, it lasts until it is revoked. */
  ttlSeconds: number | undefined;
}

export interface NewShare extends ShareRecord {
  /** Told now and never again. */
  token: string;
}

/** Of one sandbox, at once. */
const maximumWebSessions = 5;

/** What a token is compared with where there is none, so that this takes as long. */
const nothing = sha256Hex("");

export class Shares {
  readonly #options: SharesOptions;
  /** Who is connected, by sandbox. */
  readonly #live = new Map<string, Set<WebSession>>();

  constructor(options: SharesOptions) {
    this.#options = options;
  }

  /** Revokes an earlier link of the sandbox and disconnects its clients. */
  create(user: User, ref: string, request: ShareRequest): NewShare {
    const { store, events, clock } = this.#options;
    const token = newShareToken();
    const share = store.transaction(() => {
      const { id } = presentSandboxOf(store, user, ref);
      const now = clock.now();
      const made: ShareRecord = {
        sandboxId: id,
        tokenHash: sha256Hex(token),
        readOnly: request.readOnly,
        expiresAt: expiryAfter(now, request.ttlSeconds ?? null),
        createdAt: new Date(now).toISOString(),
      };
      store.shares.delete(id);
      store.shares.insert(made);
      return made;
    });
    const { sandboxId, readOnly, expiresAt } = share;
    this.#cut(sandboxId, "the link was replaced");
    const meta = { read_only: readOnly, ...(expiresAt !== null && { expires_at: expiresAt }) };
    events.record({ type: "share.created", userId: user.id, sandboxId, meta });
    return { ...share, token };
  }

  /** Returns the valid link of the sandbox. */
  of(sandboxId: string): ShareRecord | undefined {
    const { store, clock } = this.#options;
    const share = store.shares.of(sandboxId);
    return share && !isExpired(share, clock) ? share : undefined;
  }

  /** That there is none is as good. */
  revoke(user: User, ref: string): void {
    const { store, events } = this.#options;
    const { id } = sandboxOf(store, user, ref);
    if (!store.shares.delete(id)) return;
    this.#cut(id, "the link was revoked");
    events.record({ type: "share.revoked", userId: user.id, sandboxId: id });
  }

  /** Disconnects the clients of a sandbox that is being destroyed. */
  close(sandboxId: string): void {
    this.#cut(sandboxId, "the sandbox was destroyed");
  }

  /**
   * Opens a session, which lasts until it is disposed of. Throws the same `unauthorized` for an unknown sandbox, a
   * missing or expired link and a wrong token; `session_limit` only with the right token.
   */
  open(sandboxId: string, token: string, ip: string): WebSession {
    const { store, clock } = this.#options;
    const unauthorized = () => new BhattiError("unauthorized", "unauthorized");
    const share = store.shares.of(sandboxId);
    const isRight = equal(sha256Hex(token), share?.tokenHash ?? nothing);
    if (!share || !isRight || isExpired(share, clock)) throw unauthorized();
    const sandbox = store.sandboxes.byId(sandboxId);
    const owner = sandbox && store.users.byId(sandbox.userId);
    if (!owner || sandbox.destroyRequestedAt !== null) throw unauthorized();
    const live = this.#live.get(sandboxId) ?? new Set();
    if (live.size >= maximumWebSessions)
      throw new BhattiError("session_limit", `web session limit reached (${maximumWebSessions})`);
    this.#live.set(sandboxId, live);
    const session = this.#admit(sandbox, owner, share, ip);
    live.add(session);
    return session;
  }

  #admit(sandbox: SandboxRecord, owner: User, share: ShareRecord, ip: string): WebSession {
    const { store, log, clock } = this.#options;
    const { id } = sandbox;
    const started = clock.steady();
    log.info("web session started", { sandbox: id, ip, read_only: share.readOnly });
    const session: WebSession = new WebSession({
      ...{ sandbox, owner, clock, store, log },
      readOnly: share.readOnly,
      expiresAt: share.expiresAt,
      onEnd: () => this.#ended(session, ip, clock.steady() - started),
    });
    return session;
  }

  #ended(session: WebSession, ip: string, ms: number): void {
    const { sandbox, owner, readOnly } = session;
    const live = this.#live.get(sandbox.id);
    live?.delete(session);
    if (live?.size === 0) this.#live.delete(sandbox.id);
    this.#options.events.record({
      type: "shell.web_session",
      userId: owner.id,
      sandboxId: sandbox.id,
      meta: { ip, duration_s: Math.round(ms / 1000), read_only: readOnly },
    });
  }

  #cut(sandboxId: string, why: string): void {
    for (const session of [...(this.#live.get(sandboxId) ?? [])]) session.cut(why);
  }
}

function isExpired({ expiresAt }: ShareRecord, clock: Clock): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= clock.now();
}

/** Of two hashes; takes as long wherever they differ. */
function equal(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
