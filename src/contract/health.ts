/** Is it there, and what is it: the endpoints about the daemon itself. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";

export const Health = z.object({
  status: z.literal("ok"),
  uptime: z.string().describe("Uptime with units, such as 1h2m3.5s"),
  uptime_s: z.number().describe("Uptime in seconds"),
});

export const Version = z.object({
  version: z.string(),
  engine: z.string(),
  accelerator: z.enum(["kvm", "tcg", "none"]),
  accelerator_reason: z.string(),
  network: z
    .enum(["private", "none"])
    .describe("private: each user's sandboxes share a private network"),
  network_reason: z.string().describe("The range of the networks, or why there are none"),
  isolates: z.boolean().describe("Whether the accelerator is a security boundary"),
  json_body_bytes: z.int().describe("Maximum size of a JSON request body"),
});

export const healthEndpoints = {
  "health.get": endpoint("health.get", {
    summary: "Check that the daemon is running",
    public: true,
    result: Health,
    errors: [],
  }),
  "version.get": endpoint("version.get", {
    summary: "Show version, engine and accelerator of the daemon",
    result: Version,
    errors: [],
  }),
  "openapi.get": endpoint("openapi.get", {
    summary: "Get the OpenAPI 3.1 document of this API",
    public: true,
    result: z.looseObject({}),
    errors: [],
  }),
};
