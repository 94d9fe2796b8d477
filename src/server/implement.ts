/** Binds an endpoint of the contract to a function: parse, call, encode. */
import type { Hono } from "hono";
import type { z } from "zod";
import {
  type Endpoint,
  type EndpointResult,
  type EndpointShape,
  errorsOf,
  mayBeAbsent,
  type RateClass,
  rateOf,
} from "../contract/endpoint.ts";
import type { EndpointId } from "../contract/paths.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { User } from "../services/users.ts";
import { type Answering, type AnswerOptions, answerJson } from "./answers/answer.ts";
import type { AnswerBudget } from "./answers/answer-budget.ts";
import { readJson } from "./middleware/body-limit.ts";
import type { RateLimiter } from "./middleware/rate-limit.ts";
import type { Environment, RequestContext } from "./request.ts";
import { requirePercentEncoding } from "./url-input.ts";
import { parse } from "./validation.ts";

type AnyEndpoint = Endpoint<EndpointId, EndpointShape>;
type Parsed<E, K extends string> =
  E extends Record<K, infer S extends z.ZodType> ? z.output<S> : undefined;

export interface Call<E> {
  params: Parsed<E, "params">;
  query: Parsed<E, "query">;
  body: Parsed<E, "body">;
  user: E extends { public: true } ? undefined : User;
  requestId: string;
  context: RequestContext;
  /** Counts a WebSocket against the user's limit; other requests are counted before. Throws rate_limited. */
  admit(): void;
  /** Ends with the client's connection, with the key that was used, or when the daemon goes down. */
  signal(): AbortSignal;
  /** As the returned value is answered, with headers of its own or more memory behind it than it shows. */
  answer(value: unknown, options?: AnswerOptions): Response;
  answering(): Answering;
}

/** A Response is passed on as it is; anything else becomes JSON with the endpoint's status. */
export type Handler<E> = (
  call: Call<E>,
) => EndpointResult<E> | Response | Promise<EndpointResult<E> | Response>;

export interface Binder {
  app: Hono<Environment>;
  jsonBodyBytes: number;
  limiter: RateLimiter;
  budget: AnswerBudget;
  stalledSeconds: number;
  /** Aborted when requests that still run must end. */
  closing: AbortSignal;
}

export function implement<E extends AnyEndpoint>(
  { app, jsonBodyBytes, limiter, budget, stalledSeconds, closing }: Binder,
  endpoint: E,
  handler: Handler<E>,
): void {
  const status = endpoint.status ?? 200;
  const rate = rateOf(endpoint);
  const errors = errorsOf(endpoint);
  const absent = mayBeAbsent(endpoint.body) ? "allowed" : "refused";
  app.on(endpoint.method, endpoint.path, async (context) => {
    const request = context.req.raw;
    const { params, query, body } = endpoint;
    context.set("documentedErrors", errors);
    const admit = () => countAs(rate, context, limiter);
    // A WebSocket client cannot read an HTTP error: the limit is reported on the socket.
    if (status !== 101) admit();
    requirePercentEncoding(request.url);
    // An accepted operation continues after its key was revoked.
    const authorized = endpoint.isOperation ? undefined : context.get("whileAuthorized");
    const signal = () =>
      AbortSignal.any([request.signal, closing, ...(authorized ? [authorized] : [])]);
    const answering = () => ({ context, budget, stalledSeconds, signal: signal() });
    const answer = (value: unknown, options?: AnswerOptions) =>
      answerJson(answering(), value, { status, ...options });
    context.env.server.timeout(request, stalledSeconds); // for a client that stalls in the body
    const call = {
      params: params && parse(params, context.req.param(), "path"),
      query: query && parse(query, queryOf(context), "query"),
      body: body && parse(body, await readJson(request, jsonBodyBytes, absent), "body"),
      user: context.get("user"),
      requestId: context.get("requestId"),
      context,
      admit,
      signal,
      answering,
      answer,
    };
    context.env.server.timeout(request, 0); // from here on silence is work, not a dead connection
    // The schemas of this endpoint made these values; TypeScript cannot follow them through `E`.
    const result = await handler(call as Call<E>);
    return result instanceof Response ? result : answer(result);
  });
}

/** Every other method on the paths of these endpoints is refused as such. After all of them are bound. */
export function refuseOtherMethods({ app, limiter }: Binder, endpoints: AnyEndpoint[]): void {
  for (const [path, group] of Map.groupBy(endpoints, (endpoint) => endpoint.path)) {
    const allowed = group.map((endpoint) => endpoint.method).join(", ");
    app.all(path, (context) => {
      countAs("read", context, limiter);
      context.header("Allow", allowed);
      throw new BhattiError(
        "method_not_allowed",
        `method ${context.req.method} not allowed, use ${allowed}`,
      );
    });
  }
}

/** Public endpoints have no user, so their requests are not counted. */
export function countAs(rate: RateClass, context: RequestContext, limiter: RateLimiter): void {
  const user = context.get("user");
  if (user) limiter.check(user.id, rate);
}

/** A parameter that is given once is a string, several times a list. */
function queryOf(context: RequestContext): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(context.req.queries()).map(([name, values]) => [
      name,
      values.length === 1 ? (values[0] ?? "") : values,
    ]),
  );
}
