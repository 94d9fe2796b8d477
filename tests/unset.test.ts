/** Every optional field of every request: null and the zero value of its type are as good as its absence. */
import { expect, test } from "bun:test";
import { z } from "zod";
import { endpoints } from "../src/contract/all.ts";
import { AttachStart, ExecStart, ShellStart } from "../src/contract/exec.ts";
import { PipedStart } from "../src/contract/sessions.ts";
import { ShareAuth } from "../src/contract/shares.ts";
import { parse } from "../src/server/validation.ts";

interface Json {
  type?: string;
  anyOf?: Json[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Json>;
  required?: string[];
  items?: Json;
}

/** Fields with a null or zero value of their own meaning: documented, and not sent by Go clients as unset. */
const meaningful = new Set([
  "sandbox.create idle_warm_s 0",
  "sandbox.create idle_cold_s 0",
  "sandbox.edit keep_hot false",
  "sandbox.edit idle_warm_s 0",
  "sandbox.edit idle_warm_s null",
  "sandbox.edit idle_cold_s 0",
  "sandbox.edit idle_cold_s null",
  "sandbox.edit ttl_s 0",
  "sandbox.edit ttl_s null",
  "sandbox.fork labels {}",
  "sandbox.fork idle_warm_s 0",
  "sandbox.fork idle_cold_s 0",
  "AttachStart from 0",
  "ShareAuth from 0",
]);

const samples: Record<string, unknown> = {
  ...{ attach: "sess-1", cmd: ["true"], content: "", from: "/a", guest_path: "/a", name: "dev" },
  ...{ path: "/a", sandbox: "dev", shell: "new", to: "/b", token: "secret", type: "auth" },
  ...{ cols: 80, rows: 24, tty: { rows: 24, cols: 80 } },
};

const requests: [name: string, schema: z.ZodType][] = [
  ...Object.values(endpoints).flatMap((endpoint) => {
    const { id, query, body } = endpoint as { id: string; query?: z.ZodType; body?: z.ZodType };
    return [query, body].flatMap((schema): [string, z.ZodType][] => (schema ? [[id, schema]] : []));
  }),
  ...Object.entries({ ExecStart, AttachStart, ShellStart, PipedStart, ShareAuth }),
];

interface Case {
  title: string;
  schema: z.ZodType;
  /** A request without the field. */
  without: Record<string, unknown>;
  /** Puts the field into it. */
  path: string[];
  field: string;
  unset: unknown;
}

const cases = requests.flatMap(([name, schema]) => {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json;
  return casesOf(name, schema, json, []);
});

function casesOf(name: string, schema: z.ZodType, json: Json, path: string[]): Case[] {
  const { properties = {}, required = [] } = json;
  return Object.entries(properties).flatMap(([field, property]) => {
    const nested = property.items?.properties ? property.items : property;
    const inner = casesOf(name, schema, nested, [...path, field]);
    if (required.includes(field)) return inner;
    const own = [null, ...zerosOf(property)].map((unset) => ({
      title: `${name} ${[...path, field].join(".")} ${JSON.stringify(unset)}`,
      ...{ schema, path, field, unset, without: sampleOf(name, field) },
    }));
    return [...own, ...inner];
  });
}

function zerosOf(property: Json): unknown[] {
  if (property.anyOf) return property.anyOf.flatMap(zerosOf);
  const zeros: Record<string, unknown[]> = {
    string: [""],
    integer: [0],
    number: [0],
    boolean: [false],
    array: [[]],
    object: [{}],
  };
  return zeros[property.type ?? ""] ?? [];
}

/** All that the request requires. An edit must change something. */
function sampleOf(name: string, field: string): Record<string, unknown> {
  if (name === "sandbox.edit") return field === "name" ? { keep_hot: true } : { name: "dev" };
  const schema = requests.find(([one]) => one === name)?.[1];
  const json = z.toJSONSchema(schema ?? z.never(), { io: "input", unrepresentable: "any" }) as Json;
  return Object.fromEntries((json.required ?? []).map((key) => [key, samples[key]]));
}

/** The request with such a value of the field, which may be that of an item of a list. */
function requestWith({ without, path, field }: Case, value: unknown): Record<string, unknown> {
  const [list] = path;
  if (list === undefined) return value === undefined ? without : { ...without, [field]: value };
  const item = { ...samplesOf(list), ...(value !== undefined && { [field]: value }) };
  return { ...without, [list]: [item] };
}

function samplesOf(list: string): Record<string, unknown> {
  expect(list).toBe("files"); // the only list of objects so far
  return { guest_path: "/a", content: "" };
}

test("all requests are looked at", () => {
  expect(cases.length).toBeGreaterThan(120);
  const titles = new Set(cases.map(({ title }) => title));
  expect([...meaningful].filter((title) => !titles.has(title))).toEqual([]);
});

test.each(cases.map((one) => [one.title, one] as const))("%s", (title, one) => {
  const unset = parse(one.schema, requestWith(one, one.unset), "request");
  if (meaningful.has(title)) {
    expect(unset).toMatchObject({ [one.field]: one.unset });
    return;
  }
  expect(unset).toEqual(parse(one.schema, requestWith(one, undefined), "request"));
});

test.each(requests)("a null instead of the request %s is an empty one", (_name, schema) => {
  const outcome = (request: unknown) => {
    try {
      return parse(schema, request, "body");
    } catch (error) {
      return String(error).replace(" (got null)", "");
    }
  };
  expect(outcome(null)).toEqual(outcome({}));
});

test.each<[z.ZodType, unknown, string]>([
  [endpoints["sandbox.create"].body, { cpus: "" }, "cpus: must be a whole number of vCPUs"],
  [endpoints["sandbox.create"].body, { name: 0 }, "name: must be a string (got 0)"],
  [endpoints["sandbox.create"].body, { env: [] }, "env: must be an object"],
  [endpoints["sandbox.create"].body, { env: { A: null } }, "env.A: must be a string"],
  [endpoints["sandbox.create"].body, { keep_hot: 0 }, "keep_hot: must be true or false (got 0)"],
  [endpoints["sandbox.create"].body, { color: null }, "color: unknown field"],
  [endpoints["exec.run"].body, { cmd: [] }, "cmd: must have at least one item"],
  [endpoints["exec.run"].body, { cmd: null }, "cmd: must be a list"],
  [endpoints["snapshot.create"].body, { name: "" }, "name: must start with a letter or digit"],
])("a value of another type, or an unset required field, is an error: %#", (...given) => {
  const [schema, request, message] = given;
  expect(() => parse(schema, request, "body")).toThrow(message);
});
