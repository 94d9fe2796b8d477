/** What an endpoint is: everything a server, a client and the documentation need to know about it, as data. */
import type { z } from "zod";
import type { ErrorCode } from "../errors/catalogue.ts";
import { type EndpointId, paths } from "./paths.ts";

/** Requests that make machines or keep things, that work in a sandbox, and all others. */
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
  result: z.ZodType;
  /** Media type of a success; application/json unless said. */
  resultType?: string;
  /** Answers 202 with its operation to a request with `Prefer: respond-async`. */
  isOperation?: true;
  /** The class in which a user's requests are counted; by the method unless said. */
  rate?: RateClass;
  /** Status of a success; 200 unless said. */
  status?: 200 | 201 | 204 | 101;
  /** Codes beyond those that any endpoint can answer (bad_request, unauthorized, rate_limited, internal). */
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
