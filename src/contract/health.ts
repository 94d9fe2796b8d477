/** Is it there, and what is it: the endpoints about the daemon itself. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";

const Health = z.object({
  status: z.literal("ok"),
  uptime: z.string().describe("With units, such as 1h2m3.5s"),
  uptime_s: z.number().describe("Seconds"),
});

export const Version = z.object({
  version: z.string(),
  engine: z.string(),
  accelerator: z.enum(["kvm", "tcg", "none"]),
  accelerator_reason: z.string(),
  isolates: z.boolean().describe("Whether the hypervisor is a security boundary here"),
  json_body_bytes: z.int().describe("The longest JSON body that is taken"),
});

export const healthEndpoints = {
  "health.get": endpoint("health.get", {
    summary: "Is the daemon up",
    public: true,
    result: Health,
    errors: [],
  }),
  "version.get": endpoint("version.get", {
    summary: "Version, engine and accelerator",
    result: Version,
    errors: [],
  }),
  "openapi.get": endpoint("openapi.get", {
    summary: "This API as OpenAPI 3.1",
    public: true,
    result: z.looseObject({}),
    errors: [],
  }),
};
