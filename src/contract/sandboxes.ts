/** The sandbox endpoints: create, list, get, destroy. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { Environment, Labels, SandboxName, SandboxRef } from "./names.ts";

/** One constant each; create and inspect print what was used. */
export const defaultCpus = 1;
export const defaultMemoryMB = 1024;

export const SandboxFile = z.strictObject({
  guest_path: z.string().startsWith("/", { error: "must be an absolute path" }),
  content: z.base64({ error: "must be base64" }),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, { error: "must be three octal digits such as 0644" })
    .default("0644"),
});

export const CreateSandbox = z.strictObject({
  name: SandboxName.optional(),
  image: z.string().optional().describe("Name of an image; the server's default image when empty"),
  cpus: z
    .int({ error: "must be a whole number of vCPUs" })
    .min(1, { error: "must be between 1 and 64" })
    .max(64, { error: "must be between 1 and 64" })
    .optional()
    .describe("Whole vCPUs"),
  memory_mb: z.int().min(0).max(1_048_576).optional().describe("Memory in MB; 0 means the default"),
  disk_size_mb: z
    .int()
    .min(0)
    .max(16_777_216)
    .optional()
    .describe("Root disk in MB, grow only; 0 means the image's size"),
  env: Environment.optional(),
  init: z.string().optional().describe("A shell script, run once as session `init` in /workspace"),
  keep_hot: z.boolean().optional(),
  labels: Labels.optional(),
  files: z.array(SandboxFile).optional(),
});

export const SandboxStatus = z.enum(["creating", "running", "stopped", "unknown"]);
export const Thermal = z.enum(["hot", "warm", "cold"]);

export const Sandbox = z.object({
  id: z.string(),
  name: z.string(),
  template_id: z.string(),
  engine_id: z.string(),
  status: SandboxStatus,
  thermal: Thermal.optional(),
  ip: z.string(),
  urls: z.array(z.string()),
  engine_meta: z.record(z.string(), z.string()),
  created_by: z.string(),
  created_at: z.string().describe("RFC 3339, UTC"),
  stopped_at: z.string().optional(),
  keep_hot: z.boolean(),
  cpus: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int(),
  image: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
});
export type Sandbox = z.infer<typeof Sandbox>;

export const sandboxEndpoints = {
  "sandbox.create": endpoint("sandbox.create", {
    summary:
      "Create a sandbox; the existing one (200, X-Bhatti-Existing: true) when the name is taken",
    body: CreateSandbox,
    result: Sandbox,
    status: 201,
    errors: [
      "sandbox_limit",
      "quota_exceeded",
      "image_not_found",
      "guest_unresponsive",
      "machine_failed",
      "disk_full",
      "host_unfit",
    ],
  }),
  "sandbox.list": endpoint("sandbox.list", {
    summary: "List your sandboxes",
    query: z.object({
      label: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe("key=value; repeated labels are ANDed"),
    }),
    result: z.array(Sandbox),
    errors: [],
  }),
  "sandbox.get": endpoint("sandbox.get", {
    summary: "Show one sandbox",
    params: SandboxRef,
    result: Sandbox,
    errors: ["sandbox_not_found"],
  }),
  "sandbox.destroy": endpoint("sandbox.destroy", {
    summary: "Destroy a sandbox and its disk",
    params: SandboxRef,
    result: z.object({ status: z.literal("destroyed") }),
    errors: ["sandbox_not_found"],
  }),
};
