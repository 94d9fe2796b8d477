/** The HTTP application: what every request passes through, and the routes. */
import { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Clock } from "../async/clock.ts";
import { endpoints } from "../contract/all.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import { newRequestId } from "../observability/trace.ts";
import type { Exec } from "../services/exec.ts";
import type { Files } from "../services/files.ts";
import type { Forks } from "../services/forks.ts";
import type { Images } from "../services/images.ts";
import type { Operations } from "../services/operations.ts";
import type { Sandboxes } from "../services/sandboxes.ts";
import type { Sessions } from "../services/sessions.ts";
import type { Shares } from "../services/shares.ts";
import type { Snapshots } from "../services/snapshots.ts";
import type { Templates } from "../services/templates.ts";
import type { Users } from "../services/users.ts";
import { AnswerBudget, type AnswerLimits } from "./answers/answer-budget.ts";
import { failureOf, noteUndocumented } from "./failure.ts";
import { type Binder, countAs, refuseOtherMethods } from "./implement.ts";
import { Authenticator } from "./middleware/authenticate.ts";
import type { KeyWatch } from "./middleware/key-watch.ts";
import { RateLimiter, type RateLimits } from "./middleware/rate-limit.ts";
import { addressOf, type Environment, type RequestContext } from "./request.ts";
import { bindEarlierSockets } from "./routes/earlier-sockets.ts";
import { bindExec } from "./routes/exec.ts";
import { bindFiles } from "./routes/files.ts";
import { bindHealth, type DaemonIdentity } from "./routes/health.ts";
import { bindImages } from "./routes/images.ts";
import { bindLifecycle } from "./routes/lifecycle.ts";
import { bindOperations } from "./routes/operations.ts";
import { headerLine } from "./routes/presented-sandbox.ts";
import { bindSandboxes } from "./routes/sandboxes.ts";
import { bindSessions } from "./routes/sessions.ts";
import { bindShares } from "./routes/share.ts";
import { bindSnapshots } from "./routes/snapshots.ts";
import { bindTemplates } from "./routes/templates.ts";

export interface AppOptions {
  users: Users;
  sandboxes: Sandboxes;
  forks: Forks;
  snapshots: Snapshots;
  operations: Operations;
  templates: Templates;
  images: Images;
  exec: Exec;
  sessions: Sessions;
  files: Files;
  shares: Shares;
  events: EventSink;
  clock: Clock;
  log: Logger;
  identity: DaemonIdentity;
  limits: RateLimits & AnswerLimits & { jsonBodyBytes: number; stalledSeconds: number };
  keys: KeyWatch;
  /** Aborted when no more requests are taken. */
  draining: AbortSignal;
  /** Aborted when requests that still run must end. */
  closing: AbortSignal;
}

const publicRoutes = new Set(
  Object.values(endpoints)
    .filter((endpoint) => "public" in endpoint)
    .map(({ method, path }) => `${method} ${path}`),
);

export function createApp(options: AppOptions): Hono<Environment> {
  const app = new Hono<Environment>();
  const limiter = new RateLimiter(options.limits, options.clock);
  const authenticator = new Authenticator(options.users, options.events, options.clock);
  app.use(traced(options));
  app.use(async (context, next) => {
    if (options.draining.aborted) {
      throw new BhattiError("shutting_down", "the daemon is shutting down");
    }
    authenticate(context, authenticator, options.keys);
    await next();
  });

  const { log, closing } = options;
  const { jsonBodyBytes, stalledSeconds } = options.limits;
  const budget = new AnswerBudget(options.limits);
  const binder: Binder = { app, jsonBodyBytes, limiter, budget, stalledSeconds, closing };
  bindHealth(binder, options.identity);
  bindSandboxes(binder, options);
  bindLifecycle(binder, options);
  bindSnapshots(binder, options);
  bindOperations(binder, options);
  bindTemplates(binder, options);
  bindImages(binder, options);
  bindExec(binder, options);
  bindEarlierSockets(binder, options);
  bindSessions(binder, options);
  bindFiles(binder, options.files);
  bindShares(binder, options);
  refuseOtherMethods(binder, Object.values(endpoints));
  app.notFound((context) => {
    countAs("read", context, limiter);
    throw new BhattiError(
      "not_found",
      `no such endpoint: ${context.req.method} ${context.req.path}`,
    );
  });
  app.onError((error, context) => {
    const requestId = context.get("requestId");
    const ownLog = context.get("log") ?? log;
    const failure = failureOf(error, requestId, ownLog);
    noteUndocumented(failure.body.code, context.get("documentedErrors"), ownLog);
    const { retry_after: seconds } = failure.body;
    if (seconds !== undefined) context.header("Retry-After", String(seconds));
    context.env.server.timeout(context.req.raw, stalledSeconds);
    const headers = { "Content-Type": "application/json" };
    return context.newResponse(JSON.stringify(failure.body), {
      status: failure.status as ContentfulStatusCode,
      headers,
    });
  });
  return app;
}

/** Gives the request its id, every response its headers, and the log its line. */
function traced({ log, identity }: AppOptions) {
  return async (context: RequestContext, next: () => Promise<void>) => {
    const started = performance.now();
    const requestId = newRequestId();
    context.set("requestId", requestId);
    context.set("log", log.child({ request_id: requestId }));
    await next();
    const { headers } = context.res;
    headers.set("X-Bhatti-Version", identity.version);
    headers.set("X-Request-Id", requestId);
    const warning = context.get("warning");
    if (warning !== undefined) headers.set("X-Bhatti-Warning", headerLine(warning));
    const operation = context.get("operation");
    if (operation !== undefined) headers.set("X-Bhatti-Operation", operation);
    log.info("request", {
      request_id: requestId,
      method: context.req.method,
      path: context.req.path,
      status: context.res.status,
      ms: Math.round((performance.now() - started) * 100) / 100,
      user: context.get("user")?.name,
    });
  };
}

/** The path is the one that routes are chosen by: Bun has resolved dot segments, and `//health` is no route. */
function authenticate(context: RequestContext, authenticator: Authenticator, keys: KeyWatch): void {
  const { method, path } = context.req;
  if (publicRoutes.has(`${method === "HEAD" ? "GET" : method} ${path}`)) return;
  if (path.startsWith("/_shell/")) return; // its visitors have a token, and tell it later
  const ip = () => addressOf(context);
  const authorization = context.req.raw.headers.get("authorization");
  const { user, keyHash } = authenticator.authenticate(authorization, ip);
  context.set("user", user);
  context.set("whileAuthorized", keys.whileValid(keyHash));
}
