/** The list of endpoints as an OpenAPI 3.1 document. */
import type { z } from "zod";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import { Components, type Json } from "./components.ts";
import { type Endpoint, type EndpointShape, errorsOf, mayBeAbsent, rateOf } from "./endpoint.ts";
import { Operation } from "./operations.ts";
import type { EndpointId } from "./paths.ts";

type AnyEndpoint = Endpoint<EndpointId, EndpointShape>;

export function openApiDocument(endpoints: AnyEndpoint[], version: string): Json {
  const paths: Record<string, Json> = {};
  const components = new Components();
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace(/:(\w+)/g, "{$1}");
    const operation = operationOf(endpoint, components);
    paths[path] = {
      ...paths[path],
      [endpoint.method.toLowerCase()]: operation,
      ...(endpoint.headHeaders && { head: headOf(endpoint, operation) }),
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "bhatti", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      headers: {
        Version: header("Version of the daemon"),
        RequestId: header("ID of the request, as in the daemon's log"),
        RetryAfter: header("Seconds until the same request may succeed", "integer"),
      },
      responses: {
        // An answer of the HTTP server itself.
        headers_too_large: { description: "The request's header fields are too large" },
        ...Object.fromEntries(endpoints.flatMap(failuresOf)),
      },
      schemas: { Error: errorSchema, ...components.schemas },
    },
    security: [{ key: [] }],
  };
}

const errorSchema = {
  type: "object",
  required: ["error", "code", "request_id"],
  properties: {
    error: { type: "string" },
    code: { type: "string", enum: Object.keys(catalogue) },
    request_id: { type: "string" },
    hint: {
      type: "string",
      description: "How to fix the error, when that depends on more than its code",
    },
    retry_after: {
      type: "integer",
      description: "Seconds until the same request may succeed, as in Retry-After",
    },
  },
};

function operationOf(endpoint: AnyEndpoint, components: Components): Json {
  const { id, summary, description, params, query } = endpoint;
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    "x-rate-limit": endpoint.public ? undefined : rateOf(endpoint),
    parameters: [
      ...parametersOf("path", params, components),
      ...parametersOf("query", query, components),
      ...(endpoint.isOperation ? [prefer] : []),
    ],
    ...requestBodyOf(endpoint, components),
    responses: {
      ...successesOf(endpoint, components),
      ...errorResponses(endpoint),
      431: { $ref: "#/components/responses/headers_too_large" },
    },
    ...(endpoint.public && { security: [] }),
    ...messagesOf(endpoint, components),
  };
}

/** Describes HEAD, with other headers than GET. */
function headOf(endpoint: AnyEndpoint, get: Json): Json {
  const bodyless = ({ content: _, ...response }: Json) => response;
  const errors = Object.entries(Object(get["responses"]))
    .filter(([status]) => Number(status) >= 400)
    .map(([status, response]) => [status, bodyless(Object(response))]);
  return {
    ...get,
    operationId: `${endpoint.id}.head`,
    summary: `${endpoint.summary}: headers only`,
    responses: {
      200: { description: "Success", headers: headersOf(endpoint.headHeaders) },
      ...Object.fromEntries(errors),
    },
  };
}

const prefer = {
  name: "Prefer",
  in: "header",
  required: false,
  schema: { type: "string" },
  description: "respond-async: return 202 with the operation at once, and keep working on it",
};

function requestBodyOf({ body, bodyType }: AnyEndpoint, components: Components): Json {
  if (bodyType !== undefined) {
    return { requestBody: { required: true, ...contentOf(binary, bodyType) } };
  }
  if (!body) return {};
  const content = contentOf(components.refer(body, "input"), "application/json");
  return { requestBody: { required: !mayBeAbsent(body), ...content } };
}

function successesOf(endpoint: AnyEndpoint, components: Components): Json {
  const { status = 200, headers, alsoStatus } = endpoint;
  const content = successContent(endpoint, components);
  const also = Object.entries(alsoStatus ?? {}).map(([other, said]) => [
    other,
    { description: said.description, headers: headersOf(said.headers), ...content },
  ]);
  return {
    [status]: { description: "Success", headers: headersOf(headers), ...content },
    ...Object.fromEntries(also),
    ...(endpoint.isOperation && {
      202: {
        description: "The operation, for a request with Prefer: respond-async",
        headers: headersOf({
          Location: "Path of the operation",
          "Preference-Applied": "respond-async",
        }),
        ...contentOf(components.refer(Operation, "output"), "application/json"),
      },
    }),
  };
}

function successContent(endpoint: AnyEndpoint, components: Components): Json {
  const { result, resultType = "application/json", alsoResults } = endpoint;
  if (endpoint.status === 204 || endpoint.status === 101) return {};
  const schema = isBinary(resultType) ? binary : components.refer(result, "output");
  const also = Object.entries(alsoResults ?? {}).map(([type, other]) => [
    type,
    { schema: components.refer(other, "output") },
  ]);
  return { content: { [resultType]: { schema }, ...Object.fromEntries(also) } };
}

/** An extension: OpenAPI does not describe WebSockets. */
function messagesOf(endpoint: AnyEndpoint, components: Components): Json {
  if (endpoint.status !== 101) return {};
  const { first = [], client } = endpoint.messages ?? {};
  return {
    "x-websocket": {
      first: first.map((schema) => components.refer(schema, "input")),
      ...(client && { client: components.refer(client, "input") }),
      server: components.refer(endpoint.result, "output"),
    },
  };
}

const binary = { type: "string", format: "binary" };

function isBinary(type: string): boolean {
  return type === "application/octet-stream" || type === "application/x-tar";
}

function parametersOf(
  where: "path" | "query",
  schema: z.ZodType | undefined,
  components: Components,
): Json[] {
  if (!schema) return [];
  const { properties, required } = components.refer(schema, "input");
  const requiredNames = Array.isArray(required) ? required : [];
  return Object.entries(Object(properties)).map(([name, property]) => ({
    name,
    in: where,
    required: requiredNames.includes(name),
    schema: property,
  }));
}

/** One response for each status, with the codes that share it. */
function errorResponses(endpoint: AnyEndpoint): Json {
  return Object.fromEntries(
    [...byStatus(endpoint)].map(([status, codes]) => [
      status,
      { $ref: `#/components/responses/${nameOf(codes)}` },
    ]),
  );
}

function failuresOf(endpoint: AnyEndpoint): [name: string, response: Json][] {
  return [...byStatus(endpoint).values()].map((codes) => [nameOf(codes), failure(codes)]);
}

function byStatus(endpoint: AnyEndpoint): Map<number, ErrorCode[]> {
  return Map.groupBy(errorsOf(endpoint), (code) => catalogue[code].status);
}

/** Endpoints with the same codes for a status share one response. */
function nameOf(codes: ErrorCode[]): string {
  return codes.toSorted().join(".");
}

function failure(codes: ErrorCode[]): Json {
  const mayPass = codes.some((code) => retried.has(code));
  return {
    description: codes.join(", "),
    headers: {
      ...headersOf({}),
      ...(mayPass && { "Retry-After": { $ref: "#/components/headers/RetryAfter" } }),
    },
    ...contentOf({ $ref: "#/components/schemas/Error" }, "application/json"),
  };
}

const retried = new Set<ErrorCode>(["rate_limited", "unread_limit", "overloaded"]);

function headersOf(own: Record<string, string> = {}): Json {
  return {
    "X-Bhatti-Version": { $ref: "#/components/headers/Version" },
    "X-Request-Id": { $ref: "#/components/headers/RequestId" },
    ...Object.fromEntries(Object.entries(own).map(([name, text]) => [name, header(text)])),
  };
}

function header(description: string, type = "string"): Json {
  return { description, schema: { type } };
}

function contentOf(schema: Json, type: string): Json {
  return { content: { [type]: { schema } } };
}
