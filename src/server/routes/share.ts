/** Share links: made and revoked with a key, and opened in a browser without one. */
import { type Clock, elapse } from "../../async/clock.ts";
import { type Endpoints, endpoints } from "../../contract/all.ts";
import type { Logger } from "../../observability/log.ts";
import type { Sessions } from "../../services/sessions.ts";
import type { Shares } from "../../services/shares.ts";
import { enterShell } from "../../services/web-shell.ts";
import { answerShared } from "../answers/answer.ts";
import { type Binder, type Call, implement } from "../implement.ts";
import { rateLimited } from "../middleware/rate-limit.ts";
import { TokenBuckets } from "../middleware/token-buckets.ts";
import { addressOf, type RequestContext } from "../request.ts";
import { SocketConnection } from "../streams/socket-connection.ts";
import { Strangers } from "../streams/strangers.ts";
import { upgrade } from "../streams/upgrade.ts";
import { WebShellConversation } from "../streams/web-shell-websocket.ts";
import { ShellPage } from "../web/page.ts";

export interface ShareRouteOptions {
  shares: Shares;
  sessions: Sessions;
  clock: Clock;
  log: Logger;
  identity: { version: string };
}

/** Of one address. */
const connects = { perMinute: 600, burst: 10 };
const failures = { perMinute: 10, burst: 5 };
/** Connections that have not shown the right token yet. */
const maxStrangers = 8;
/** Until such a connection must have sent its first message. */
const strangerSeconds = 10;
/** Until a failure beyond those is told. */
const penaltyMs = 2000;

export function bindShares(binder: Binder, options: ShareRouteOptions): void {
  const { shares } = options;
  implement(binder, endpoints["share.create"], ({ params, body, user, context }) => {
    const request = { readOnly: body.read_only, ttlSeconds: body.ttl_s };
    const { sandboxId, token, readOnly, expiresAt } = shares.create(user, params.ref, request);
    return {
      token,
      url: `${originOf(context)}/_shell/${sandboxId}#token=${token}`,
      ...(readOnly && { read_only: true }),
      ...(expiresAt !== null && { expires_at: expiresAt }),
    };
  });
  implement(binder, endpoints["share.revoke"], ({ params, user }) => {
    shares.revoke(user, params.ref);
    return new Response(null, { status: 204 });
  });
  const page = new ShellPage();
  const respond = async ({ answering }: Pick<Call<Endpoints["share.page"]>, "answering">) => {
    const { content, headers } = await page.content();
    return answerShared(answering(), content, headers);
  };
  implement(binder, endpoints["share.page"], respond);
  const { path } = endpoints["share.page"];
  implement(binder, { ...endpoints["share.page"], path: `${path}/` }, respond);
  bindStream(binder, options);
}

function bindStream(binder: Binder, options: ShareRouteOptions): void {
  const { shares, sessions, clock, log, identity } = options;
  const connected = new TokenBuckets(connects, clock);
  const failed = new TokenBuckets(failures, clock);
  const strangers = new Strangers(maxStrangers);
  implement(binder, endpoints["share.stream"], ({ params, context, requestId }) => {
    const ip = addressOf(context);
    const wait = connected.take(ip);
    if (wait > 0) throw rateLimited(wait);
    if (strangers.isFull(ip)) throw rateLimited(strangerSeconds);
    const isOwn = isOwnOrigin(context);
    const talk = (connection: SocketConnection) => {
      const known = strangers.add(ip, connection.over);
      return new WebShellConversation(connection, {
        open: (token) => {
          const session = shares.open(isOwn ? params.id : "", token, ip);
          known();
          return session;
        },
        penalty: async (signal) => {
          if (failed.take(ip) > 0) await elapse(clock, penaltyMs, signal);
        },
        enter: (visitor, visit, signal) => enterShell(sessions, visitor, visit, signal),
      });
    };
    const serve = () =>
      new SocketConnection({
        ...{ requestId, talk, clock, clientBegins: true },
        log: context.get("log") ?? log,
        admit: () => {},
      });
    return upgrade(context, identity.version, serve);
  });
}

/** A page of another site has no business here. Programs send no Origin. */
function isOwnOrigin(context: RequestContext): boolean {
  const { headers } = context.req.raw;
  const origin = headers.get("origin");
  return origin === null || URL.parse(origin)?.host === headers.get("host")?.toLowerCase();
}

/** The address by which the client reached us. */
function originOf(context: RequestContext): string {
  const { protocol, host } = new URL(context.req.url);
  return `${protocol}//${host}`;
}
