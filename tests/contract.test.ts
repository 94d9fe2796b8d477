/** The contract is true: every endpoint is bound, described, and answers what it promises. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { endpoints } from "../src/contract/all.ts";
import type { Endpoint, EndpointShape } from "../src/contract/endpoint.ts";
import { ExecDetached, ExecResult } from "../src/contract/exec.ts";
import { Operation } from "../src/contract/operations.ts";
import { type EndpointId, paths } from "../src/contract/paths.ts";
import { sandboxTraits } from "../src/contract/sandbox-traits.ts";
import { Sandbox, SandboxFields } from "../src/contract/sandboxes.ts";
import { Session } from "../src/contract/sessions.ts";
import { CreateTemplate, Template } from "../src/contract/templates.ts";
import { catalogue } from "../src/errors/catalogue.ts";
import { type FakeDaemon, startFakeDaemon } from "./support/fake-daemon.ts";

type Documented = Record<string, Record<string, Record<string, unknown>>>;

const all: Endpoint<EndpointId, EndpointShape>[] = Object.values(endpoints);
let daemon: FakeDaemon;
let document: { openapi: string; paths: Documented };

beforeAll(async () => {
  daemon = await startFakeDaemon();
  document = (await (await fetch(`${daemon.url}/openapi.json`)).json()) as typeof document;
});
afterAll(() => daemon[Symbol.asyncDispose]());

test("every path has its endpoint", () => {
  expect(all.map(({ id }) => id).sort()).toEqual((Object.keys(paths) as EndpointId[]).sort());
});

test("the description is OpenAPI 3.1 and has nothing besides the endpoints", () => {
  expect(document.openapi).toBe("3.1.0");
  const documented = Object.values(document.paths).flatMap((methods) => Object.keys(methods));
  const heads = all.filter(({ headHeaders }) => headHeaders);
  expect(documented).toHaveLength(all.length + heads.length);
});

test.each(all.map((endpoint) => [endpoint.id, endpoint] as const))(
  "%s is bound and described",
  async (_id, endpoint) => {
    const path = endpoint.path.replace(/:\w+/g, "nobody");
    const answer = await daemon.fetch(path, { method: endpoint.method });
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    const { code } = isJson ? ((await answer.json()) as { code?: string }) : {};
    expect(["not_found", "method_not_allowed"]).not.toContain(code ?? "");

    const operation =
      document.paths[endpoint.path.replace(/:(\w+)/g, "{$1}")]?.[endpoint.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: endpoint.id, summary: endpoint.summary });
    expect(operation?.["summary"]).not.toBe("");
    expect(operation?.["requestBody"] !== undefined).toBe(
      (endpoint.body ?? endpoint.bodyType) !== undefined,
    );
    const responses = Object.keys(Object(operation?.["responses"])).map(Number);
    expect(responses).toContain(endpoint.status ?? 200);
    expect(responses.includes(202)).toBe(endpoint.isOperation === true);
    expect(responses.includes(catalogue.cancelled.status)).toBe(!endpoint.public);
    for (const code of endpoint.errors) expect(responses).toContain(catalogue[code].status);
    const requestBody = Object(operation?.["requestBody"]);
    const isOptional = endpoint.body?.safeParse(undefined).success ?? !endpoint.bodyType;
    expect(requestBody.required ?? false).toBe(!isOptional);
    expect(operation?.["security"]).toEqual(endpoint.public ? [] : undefined);
  },
);

interface DocumentedSchema {
  $ref?: string;
  items?: DocumentedSchema;
  anyOf?: DocumentedSchema[];
}

function isNamed({ $ref, items, anyOf }: DocumentedSchema): boolean {
  const parts = anyOf ?? (items ? [items] : []);
  return $ref !== undefined || (parts.length > 0 && parts.every(isNamed));
}

/** Every schema of an operation but those of its parameters, with its place. */
function schemasOf(operation: Record<string, unknown>): [string, DocumentedSchema][] {
  const { requestBody, responses, "x-websocket": messages } = operation;
  const bodies = Object.entries({ request: requestBody, ...Object(responses) });
  const contents = bodies.flatMap(([part, body]) =>
    Object.entries<{ schema: DocumentedSchema }>(Object(Object(body).content)).map(
      ([type, { schema }]): [string, DocumentedSchema] => [`${part} ${type}`, schema],
    ),
  );
  const frames = Object.entries<DocumentedSchema | DocumentedSchema[]>(Object(messages));
  return [
    ...contents,
    ...frames.flatMap(([part, schemas]) =>
      [schemas].flat().map((schema): [string, DocumentedSchema] => [part, schema]),
    ),
  ];
}

test("only bytes, a page and the OpenAPI document itself have a schema without a name", () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const inline = operations.flatMap((operation) =>
    schemasOf(operation)
      .filter(([, schema]) => !isNamed(schema))
      .map(([place]) => `${operation["operationId"]}: ${place}`),
  );
  expect(inline.sort()).toEqual([
    "file.pull: 200 application/x-tar",
    "file.push: request application/x-tar",
    "file.read: 200 application/octet-stream",
    "file.write: request application/octet-stream",
    "openapi.get: 200 application/json",
    "session.log: 200 application/octet-stream",
    "share.page: 200 text/html",
  ]);
});

test("replies are what their schemas say", async () => {
  const reply = async (method: string, path: string, body?: object) =>
    (await daemon.call<unknown>(method, path, body)).body;
  const created = await reply("POST", "/sandboxes", { name: "dev", labels: { a: "b" } });
  expect(endpoints["sandbox.create"].result.strict().parse(created)).toEqual(created as never);
  const shown = await reply("GET", "/sandboxes/dev");
  expect(endpoints["sandbox.get"].result.strict().parse(shown)).toEqual(shown as never);
  endpoints["sandbox.list"].result.parse(await reply("GET", "/sandboxes"));
  const exec = await reply("POST", "/sandboxes/dev/exec", { cmd: ["true"] });
  ExecResult.strict().parse(exec);
  const detached = await reply("POST", "/sandboxes/dev/exec", {
    cmd: ["sleep", "9"],
    detach: true,
  });
  const { session_id } = ExecDetached.strict().parse(detached);
  const listed = await reply("GET", "/sandboxes/dev/sessions");
  expect(z.array(Session.strict()).parse(listed)).toEqual(listed as never);
  const killed = await reply("POST", `/sandboxes/dev/sessions/${session_id}/kill`);
  endpoints["session.kill"].result.strict().parse(killed);
  const ended = await reply("GET", "/sandboxes/dev/sessions?all=true");
  expect(z.array(Session.strict()).parse(ended)).toEqual(ended as never);
  endpoints["version.get"].result.strict().parse(await reply("GET", "/version"));
  endpoints["health.get"].result.strict().parse(await reply("GET", "/health"));
  await daemon.fetch("/sandboxes/dev/files?path=a", { method: "PUT", body: "text" });
  endpoints["file.stat"].result
    .strict()
    .parse(await reply("GET", "/sandboxes/dev/files/stat?path=a"));
  endpoints["file.read"].result.parse(await reply("GET", "/sandboxes/dev/files?path=.&ls=true"));
  for (const [what, body] of [
    ["mkdir", { path: "d" }],
    ["copy", { from: "a", to: "d" }],
    ["move", { from: "a", to: "b" }],
  ] as const) {
    const done = await reply("POST", `/sandboxes/dev/files/${what}`, body);
    endpoints[`file.${what}`].result.strict().parse(done);
  }
  const removed = await reply("DELETE", "/sandboxes/dev/files?path=b");
  endpoints["file.remove"].result.strict().parse(removed);
  const template = await reply("POST", "/templates", { name: "base", labels: { a: "b" } });
  expect(endpoints["template.create"].result.strict().parse(template)).toEqual(template as never);
  const kept = await reply("GET", "/templates/base");
  expect(endpoints["template.get"].result.strict().parse(kept)).toEqual(kept as never);
  endpoints["template.list"].result.parse(await reply("GET", "/templates"));
  endpoints["template.delete"].result.strict().parse(await reply("DELETE", "/templates/base"));
  const edited = await reply("PATCH", "/sandboxes/dev", {
    idle_warm_s: 60,
    idle_cold_s: 0,
    ttl_s: 3600,
  });
  expect(endpoints["sandbox.edit"].result.strict().parse(edited)).toEqual(edited as never);
  const snapshot = await reply("POST", "/sandboxes/dev/checkpoint", { name: "ready" });
  expect(endpoints["snapshot.create"].result.strict().parse(snapshot)).toEqual(snapshot as never);
  endpoints["snapshot.get"].result.strict().parse(await reply("GET", "/snapshots/ready"));
  endpoints["snapshot.list"].result.parse(await reply("GET", "/snapshots"));
  const resumed = await reply("POST", "/snapshots/ready/resume");
  expect(endpoints["snapshot.resume"].result.strict().parse(resumed)).toEqual(resumed as never);
  const restore = await reply("POST", "/snapshots/ready/restore", { sandbox: "dev" });
  endpoints["snapshot.restore"].result.strict().parse(restore);
  endpoints["snapshot.delete"].result.strict().parse(await reply("DELETE", "/snapshots/ready"));
  const forks = await reply("POST", "/sandboxes/dev/fork");
  expect(endpoints["sandbox.fork"].result.parse(forks)).toEqual(forks as never);
  const share = await reply("POST", "/sandboxes/dev/shell-token", { ttl_s: 60 });
  expect(endpoints["share.create"].result.strict().parse(share)).toEqual(share as never);
  const stopped = await reply("POST", "/sandboxes/dev/stop");
  expect(endpoints["sandbox.stop"].result.strict().parse(stopped)).toEqual(stopped as never);
  const started = await reply("POST", "/sandboxes/dev/start");
  expect(endpoints["sandbox.start"].result.strict().parse(started)).toEqual(started as never);
  const operations = (await reply("GET", "/operations")) as { id: string }[];
  expect(z.array(Operation.strict()).parse(operations)).toEqual(operations as never);
  const shownOperation = await reply("GET", `/operations/${operations[0]?.id}`);
  expect(Operation.strict().parse(shownOperation)).toEqual(shownOperation as never);
  endpoints["task.get"].result.strict().parse(await reply("GET", `/tasks/${operations[0]?.id}`));
  endpoints["sandbox.destroy"].result.strict().parse(await reply("DELETE", "/sandboxes/dev"));
});

describe("every setting of a sandbox", () => {
  const requestShape = Object.keys(SandboxFields.shape);
  const answerShape = Object.keys(Sandbox.shape);
  test.each(Object.values(sandboxTraits))(
    "$name is in the requests and answers that have it",
    (trait) => {
      expect(requestShape).toContain(trait.name);
      expect(answerShape.includes(trait.name)).toBe(!("hidden" in trait));
      const places: readonly string[] = trait.in;
      expect(Object.keys(CreateTemplate.shape).includes(trait.name)).toBe(
        places.includes("template"),
      );
      expect(Object.keys(Template.shape).includes(trait.name)).toBe(places.includes("template"));
    },
  );
});
