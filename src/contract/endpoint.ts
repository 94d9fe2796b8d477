/** What an endpoint is: everything a server, a client and the documentation need to know about it, as data. */
import type { z } from "zod";
import type { ErrorCode } from "../errors/catalogue.ts";
import { type EndpointId, paths } from "./paths.ts";

/** `create`: requests that create machines or stored objects; `exec`: work in a sandbox; `read`: all others. */
export type RateClass = "create" | "exec" | "read";

export interface EndpointShape {
  /** An imperative phrase without a full stop. */
  summary: string;
  /** Details in whole sentences. */
  description?: string;
  /** Answered without a key. */
  public?: true;
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  /** Media type of a body that is not JSON. */
  bodyType?: string;
  /** Of a WebSocket, the events that the daemon sends. */
  result: z.ZodType;
  /** Media type of a success; application/json unless said. */
  resultType?: string;
  /** Other media types of a success, for requests that ask for them. */
  alsoResults?: Record<string, z.ZodType>;
  /** Additional headers of a success, with their descriptions. */
  headers?: Record<string, string>;
  /** Headers of the response to HEAD, if they differ from those of GET. */
  headHeaders?: Record<string, string>;
  /** JSON messages of a WebSocket client: the forms of its first message, and later ones. */
  messages?: { first?: z.ZodType[]; client?: z.ZodType };
  /** Answers 202 with its operation to a request with `Prefer: respond-async`. */
  isOperation?: true;
  /** The class in which a user's requests are counted; by the method unless said. */
  rate?: RateClass;
  /** Status of a success; 200 unless said. */
  status?: 200 | 201 | 204 | 101;
  /** Other statuses of a success. */
  alsoStatus?: Record<number, { description: string; headers: Record<string, string> }>;
  /** Codes beyond those that any endpoint can answer. */
  errors: readonly ErrorCode[];
}

export type Endpoint<Id extends EndpointId, Shape extends EndpointShape> = Shape & {
  id: Id;
  method: string;
  path: string;
};

export function endpoint<Id extends EndpointId, Shape extends EndpointShape>(
  id: Id,
  shape: Shape,
): Endpoint<Id, Shape> {
  const [method = "", path = ""] = paths[id].split(" ");
  return { ...shape, id, method, path };
}

export function rateOf({ rate, method }: { rate?: RateClass; method: string }): RateClass {
  return rate ?? (method === "GET" || method === "DELETE" ? "read" : "exec");
}

const publicErrors = ["bad_request", "internal", "shutting_down"] as const;
const commonErrors = [
  "unauthorized",
  "rate_limited",
  "unread_limit",
  "overloaded",
  /** The sandbox was destroyed, or the operation cancelled, by another request. */
  "cancelled",
] as const;

/** Codes of any endpoint that starts an operation. */
const operationErrors = ["operation_limit", "timeout"] as const;

/** Returns every code that an endpoint may answer. */
export function errorsOf(endpoint: EndpointShape): Set<ErrorCode> {
  const { errors, body, isOperation, public: isPublic, status } = endpoint;
  return new Set([
    ...publicErrors,
    ...(isPublic ? [] : commonErrors),
    ...(isOperation ? operationErrors : []),
    ...(body ? (["body_too_large"] as const) : []),
    ...(status === 101 ? (["upgrade_required"] as const) : []),
    ...errors,
  ]);
}

/** Whether a request may do without this part of it. */
export function mayBeAbsent(schema: z.ZodType | undefined): boolean {
  return !schema || schema.safeParse(undefined).success;
}

type Field<E, K extends string> =
  E extends Record<K, z.ZodType> ? { [P in K]: z.input<E[K]> } : unknown;
/** What a caller passes. */
export type EndpointInput<E> = Field<E, "params"> & Field<E, "query"> & Field<E, "body">;
/** What a caller gets back. */
export type EndpointResult<E> = E extends { result: z.ZodType } ? z.output<E["result"]> : never;
