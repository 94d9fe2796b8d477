/** The list of endpoints as an OpenAPI 3.1 document. */
import { z } from "zod";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import { type Endpoint, type EndpointShape, mayBeAbsent } from "./endpoint.ts";
import { Operation } from "./operations.ts";
import type { EndpointId } from "./paths.ts";

type AnyEndpoint = Endpoint<EndpointId, EndpointShape>;
type Json = Record<string, unknown>;

/** What any endpoint that needs a key can answer. */
const commonErrors: readonly ErrorCode[] = [
  "bad_request",
  "unauthorized",
  "rate_limited",
  "internal",
];

/** What any endpoint that starts an operation can answer. */
const operationErrors: readonly ErrorCode[] = [
  "operation_limit",
  "cancelled",
  "timeout",
  "shutting_down",
];

export function openApiDocument(endpoints: AnyEndpoint[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operationOf(endpoint) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "bhatti", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: {
        Error: {
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
              description: "Seconds until the request may succeed, with code rate_limited",
            },
          },
        },
      },
    },
    security: [{ key: [] }],
  };
}

function operationOf(endpoint: AnyEndpoint): Json {
  const { id, summary, description, params, query, body, result } = endpoint;
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    parameters: [
      ...parametersOf("path", params),
      ...parametersOf("query", query),
      ...(endpoint.isOperation ? [prefer] : []),
    ],
    ...(body && {
      requestBody: { required: !mayBeAbsent(body), ...jsonContent(schemaOf(body, "input")) },
    }),
    responses: {
      [endpoint.status ?? 200]: {
        description: "Success",
        ...contentOf(schemaOf(result, "output"), endpoint.resultType),
      },
      ...(endpoint.isOperation && { 202: accepted() }),
      ...errorResponses(endpoint),
    },
    ...(endpoint.public && { security: [] }),
  };
}

const prefer = {
  name: "Prefer",
  in: "header",
  required: false,
  schema: { type: "string" },
  description: "respond-async: return 202 with the operation at once, and keep working on it",
};

function accepted(): Json {
  return {
    description: "The operation, for a request with Prefer: respond-async",
    ...jsonContent(schemaOf(Operation, "output")),
  };
}

function parametersOf(where: "path" | "query", schema: z.ZodType | undefined): Json[] {
  if (!schema) return [];
  const { properties, required } = schemaOf(schema, "input");
  const requiredNames = Array.isArray(required) ? required : [];
  return Object.entries(Object(properties)).map(([name, property]) => ({
    name,
    in: where,
    required: requiredNames.includes(name),
    schema: property,
  }));
}

/** One response for each status, with the codes that share it. */
function errorResponses({ errors, isOperation, public: isPublic }: AnyEndpoint): Json {
  const codes = [
    ...(isPublic ? [] : commonErrors),
    ...errors,
    ...(isOperation ? operationErrors : []),
  ];
  const byStatus = Map.groupBy(new Set(codes), (code) => catalogue[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      { description: group.join(", "), ...jsonContent({ $ref: "#/components/schemas/Error" }) },
    ]),
  );
}

function jsonContent(schema: Json): Json {
  return contentOf(schema, "application/json");
}

function contentOf(schema: Json, type = "application/json"): Json {
  return { content: { [type]: { schema } } };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
